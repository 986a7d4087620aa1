// npm run bench:plot: draws docs/performance.svg from docs/performance.json: for each program the run time of each policy
// against the unprepared module, with quartiles, and grey behind it how far the unprepared module is from itself.

import { readFileSync, writeFileSync } from 'node:fs';

interface Row {
  readonly node: number;
  readonly program: string;
  readonly slots: string;
  readonly ratio: string;
  readonly quartiles?: string;
}

const docs = new URL('../docs/', import.meta.url);
const { machine, results } = JSON.parse(readFileSync(new URL('performance.json', docs), 'utf8'));
const rows: readonly Row[] = results.slowdown;
const colours: Readonly<Record<string, string>> = { all: '#b5473c', auto: '#2f6db3', entry: '#3d8b4f' };
const policies = Object.keys(colours);

const layout = { left: 150, top: 64, panel: 260, gap: 24, line: 30, low: 0.85, high: 1.25 } as const;
const nodes = [...new Set(rows.map((row) => row.node))];
const programs = [...new Set(rows.filter((row) => row.quartiles !== undefined).map((row) => row.program))];
const width = layout.left + nodes.length * (layout.panel + layout.gap);
const height = layout.top + programs.length * layout.line + 30;

const clamp = (ratio: number): number => Math.min(layout.high, Math.max(layout.low, ratio));
const x = (panel: number, ratio: number): string =>
  (
    layout.left +
    panel * (layout.panel + layout.gap) +
    ((clamp(ratio) - layout.low) / (layout.high - layout.low)) * layout.panel
  ).toFixed(1);
const y = (program: number): number => layout.top + program * layout.line;
const text = (at: string | number, line: number, content: string, more = ''): string =>
  `<text x="${at}" y="${line}" ${more}>${content}</text>`;

function quartilesOf(row: Row): readonly [number, number] {
  const [low = 1, high = 1] = (row.quartiles ?? '').split(' - ').map(Number);
  return [low, high];
}

function panel(node: number, index: number): string {
  const grid = [0.9, 1, 1.1, 1.2].map(
    (ratio) =>
      `<line x1="${x(index, ratio)}" x2="${x(index, ratio)}" y1="${layout.top - 8}" y2="${height - 24}" stroke="${ratio === 1 ? '#555' : '#ddd'}"/>` +
      text(x(index, ratio), height - 10, ratio.toFixed(1), 'text-anchor="middle"'),
  );
  const marks = programs.flatMap((program, line) =>
    rows.filter((row) => row.node === node && row.program === program).map((row) => mark(row, index, line)),
  );
  const title = text(x(index, layout.low), layout.top - 16, `Node ${node}`, 'font-weight="bold"');
  return [title, ...grid, ...marks].join('\n');
}

function mark(row: Row, index: number, line: number): string {
  const [low, high] = quartilesOf(row);
  if (row.slots === 'control')
    return `<rect x="${x(index, low)}" y="${y(line)}" width="${(Number(x(index, high)) - Number(x(index, low))).toFixed(1)}" height="${layout.line - 6}" fill="#e8e8e8"/>`;
  const at = y(line) + 4 + policies.indexOf(row.slots) * 8;
  const colour = colours[row.slots] ?? 'black';
  const isOutside = Number(row.ratio) > layout.high;
  return (
    `<line x1="${x(index, low)}" x2="${x(index, high)}" y1="${at}" y2="${at}" stroke="${colour}" stroke-width="2"/>` +
    `<circle cx="${x(index, Number(row.ratio))}" cy="${at}" r="3.2" fill="${colour}"/>` +
    (isOutside ? text(Number(x(index, layout.high)) - 26, at + 4, row.ratio, `fill="${colour}"`) : '')
  );
}

const legend = policies.map(
  (policy, i) =>
    `<circle cx="${layout.left + i * 90}" cy="34" r="4" fill="${colours[policy]}"/>` +
    text(layout.left + 8 + i * 90, 38, `slots ${policy}`),
);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">
<title>Run time of prepared modules against unprepared ones</title>
<rect width="100%" height="100%" fill="white"/>
${text(12, 18, `Run time, prepared / unprepared. ${machine}`)}
${legend.join('\n')}
${programs.map((program, i) => text(12, y(i) + 15, program)).join('\n')}
${nodes.map(panel).join('\n')}
</svg>
`;
writeFileSync(new URL('performance.svg', docs), svg);
