// Tables as kubectl prints them: columns and spaces, no lines, so that awk and eyes read them alike.

import type { Output } from './output.ts';

const noBorder = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map((part) => [part, '']),
);

/** Lays out rows under a heading. */
export async function table(
  output: Output,
  heading: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const style = { 'padding-left': 0, 'padding-right': 3, head: [], border: [], compact: true };
  const laidOut = new Table({ chars: noBorder, style });
  laidOut.push(heading.map((h) => output.style('heading', h)));
  for (const row of rows) laidOut.push([...row]);
  return `${laidOut
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}

/** `12 functions`, `1 function`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The first names of a list, and how many more. */
export function some(names: readonly string[], limit = 3): string {
  const rest = names.length - limit;
  return names.slice(0, limit).join(', ') + (rest > 0 ? `, +${rest} more` : '');
}

/** What tables show of a build id. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
