// The plot of docs/performance.md: for each program the run time of each policy against the unprepared module, with
// quartiles, and grey behind it how far the unprepared module is from itself.

import { type SlotPolicy, slotPolicies } from '../../src/patch/index.ts';
import { type Figures, nodesOf, programsOf, type SlowdownRow } from './figures.ts';

const colours: Readonly<Record<SlotPolicy, string>> = { all: '#b5473c', auto: '#2f6db3', entry: '#3d8b4f' };
const layout = { left: 150, top: 64, panel: 260, gap: 24, line: 30, low: 0.85, high: 1.25 } as const;
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

export function plot({ machine, results }: Figures): string {
  const rows = results.slowdown;
  const [nodes, programs] = [nodesOf(rows), programsOf(rows)];
  const width = layout.left + nodes.length * (layout.panel + layout.gap);
  const height = y(programs.length) + 30;
  const panels = nodes.map((node, i) => {
    const own = programs.map((program) => rows.filter((row) => row.node === node && row.program === program));
    return panel(`Node ${node}`, i, own);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">
<title>Run time of prepared modules against unprepared ones</title>
<rect width="100%" height="100%" fill="white"/>
${text(12, 18, `Run time, prepared / unprepared. ${machine}`)}
${slotPolicies.map(legend).join('\n')}
${programs.map((program, i) => text(12, y(i) + 15, program)).join('\n')}
${panels.join('\n')}
</svg>
`;
}

function legend(policy: SlotPolicy, i: number): string {
  const left = layout.left + i * 90;
  return `<circle cx="${left}" cy="34" r="4" fill="${colours[policy]}"/>${text(left + 8, 38, `slots ${policy}`)}`;
}

/** One release: the rows of each program, a line for each. */
function panel(title: string, index: number, programs: readonly (readonly SlowdownRow[])[]): string {
  const [top, bottom] = [layout.top - 8, y(programs.length) + 6];
  const grid = [0.9, 1, 1.1, 1.2].map((ratio) => {
    const at = x(index, ratio);
    const line = `<line x1="${at}" x2="${at}" y1="${top}" y2="${bottom}" stroke="${ratio === 1 ? '#555' : '#ddd'}"/>`;
    return line + text(at, bottom + 14, ratio.toFixed(1), 'text-anchor="middle"');
  });
  const head = text(x(index, layout.low), layout.top - 16, title, 'font-weight="bold"');
  return [head, ...grid, ...programs.flatMap((rows, line) => rows.map((row) => mark(row, index, line)))].join(
    '\n',
  );
}

function mark({ slots, ratio, quartiles = '' }: SlowdownRow, index: number, line: number): string {
  const [low = 1, high = 1] = quartiles.split(' - ').map(Number);
  const [left, right] = [x(index, low), x(index, high)];
  if (slots === 'control') {
    const width = (Number(right) - Number(left)).toFixed(1);
    return `<rect x="${left}" y="${y(line)}" width="${width}" height="${layout.line - 6}" fill="#e8e8e8"/>`;
  }
  const at = y(line) + 4 + slotPolicies.indexOf(slots) * 8;
  const colour = colours[slots];
  const isOutside = Number(ratio) > layout.high;
  return (
    `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" stroke="${colour}" stroke-width="2"/>` +
    `<circle cx="${x(index, Number(ratio))}" cy="${at}" r="3.2" fill="${colour}"/>` +
    (isOutside ? text(Number(x(index, layout.high)) - 26, at + 4, ratio, `fill="${colour}"`) : '')
  );
}
