// docs/performance.md shows the figures of docs/performance.json, and no others.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Figures, page, plot } from '../../bench/page/page.ts';

const docs = (file: string): string => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8');
const markdown = docs('performance.md');
const figures: Figures = JSON.parse(docs('performance.json'));

test('the tables and the plot are what npm run bench:page makes of the figures', () => {
  expect(page(markdown, figures)).toBe(markdown);
  expect(plot(figures)).toBe(docs('performance.svg'));
});

test('a figure that changes comes into the table and the plot, and the text around stays', () => {
  const [first, ...rest] = figures.results.slowdown;
  if (first === undefined) throw new Error('no figures');
  const changed = { ...first, ratio: '1.234', quartiles: '1.200 - 1.240' };
  const others = { ...figures, results: { ...figures.results, slowdown: [changed, ...rest] } };
  const lines = page(markdown, others).split('\n');
  const before = markdown.split('\n');
  expect(lines.filter((line, i) => line !== before[i])).toEqual([
    expect.stringMatching(/^\| sql\.js \| .*\(1\.23\) \|/),
  ]);
  expect(plot(others)).not.toBe(plot(figures));
});

test('a page without a place for a table is refused, not written without it', () => {
  expect(() => page(markdown.replace('<!-- startup -->', ''), figures)).toThrow(
    'the page has no place for the table "startup"',
  );
});
