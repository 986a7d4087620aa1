// What docs/performance.md and its plot are, given the figures and the page's own text.

import type { Figures } from './figures.ts';
import { plot } from './plot.ts';
import { slowdownTable, startupTable } from './tables.ts';

export { type Figures, plot };

/** The page with its tables made anew: each stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
export function page(markdown: string, { results }: Figures): string {
  const tables = { slowdown: slowdownTable(results.slowdown), startup: startupTable(results.startup) };
  return Object.entries(tables).reduce((text, [name, table]) => withTable(text, name, table), markdown);
}

function withTable(markdown: string, name: string, table: string): string {
  const [from, to] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const [begin, end] = [markdown.indexOf(from), markdown.indexOf(to)];
  if (begin === -1 || end < begin) throw new Error(`the page has no place for the table "${name}"`);
  return markdown.slice(0, begin + from.length) + table + markdown.slice(end);
}
