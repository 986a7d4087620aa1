// The tables of docs/performance.md: a line for each program, in a cell the policies one after the other.

import { slotPolicies } from '../../src/patch/index.ts';
import { isMean, nodesOf, programsOf, type SlowdownRow, type StartupRow } from './figures.ts';

const order = slotPolicies.map((policy) => `\`${policy}\``).join(' / ');
const none = '-';

export function slowdownTable(rows: readonly SlowdownRow[]): string {
  const nodes = nodesOf(rows);
  const times = (matches: (row: SlowdownRow) => boolean, digits: number): string[] =>
    nodes.map((node) =>
      runTime(
        rows.filter((row) => row.node === node && matches(row)),
        digits,
      ),
    );
  return table([
    ['program', ...nodes.map((node) => `Node ${node}`), 'slots of `auto`', `file, ${order}`],
    ...programsOf(rows).map((program) => {
      const own = rows.filter((row) => row.program === program);
      const cell = (slots: string, column: 'of functions' | 'file size'): string =>
        own.find((row) => row.slots === slots)?.[column] ?? none;
      return [
        program,
        ...times((row) => row.program === program, 2),
        cell('auto', 'of functions').replace('/', 'of'),
        slotPolicies.map((policy) => cell(policy, 'file size')).join(' / '),
      ];
    }),
    ['**geometric mean, real programs**', ...times(isMean, 3), '', ''],
  ]);
}

/** `all / auto / entry (control)`. */
function runTime(rows: readonly SlowdownRow[], digits: number): string {
  if (rows.length === 0) return none;
  const of = (slots: SlowdownRow['slots']): string =>
    Number(rows.find((row) => row.slots === slots)?.ratio).toFixed(digits);
  return `${slotPolicies.map(of).join(' / ')} (${of('control')})`;
}

const starts = ['first answer ms', 'instantiate µs', 'memory of an instance kB'] as const;

/** The programs on the newest release, and each release's means. */
export function startupTable(rows: readonly StartupRow[]): string {
  const [newest = 0] = nodesOf(rows);
  const line = (name: string, of: readonly StartupRow[]): string[] => [
    name,
    ...starts.map((column) => start(of, column)),
  ];
  return table([
    [`Node ${newest}, ${order}`, ...starts],
    ...programsOf(rows).map((program) =>
      line(
        program,
        rows.filter((row) => row.node === newest && row.program === program),
      ),
    ),
    ...nodesOf(rows).map((node) =>
      line(
        `**geometric mean, Node ${node}**`,
        rows.filter((row) => row.node === node && isMean(row)),
      ),
    ),
  ]);
}

/** What the unprepared program takes, and how many times that the prepared ones do. */
function start(rows: readonly StartupRow[], column: (typeof starts)[number]): string {
  const plain = rows.find(({ slots }) => slots === 'none')?.[column];
  const ratios = slotPolicies.map((policy) => {
    const cell = rows.find(({ slots }) => slots === policy)?.[column] ?? '';
    return /\((.+)\)/.exec(cell)?.[1] ?? none;
  });
  return [...(plain ? [plain] : []), ratios.join(' / ')].join(': ');
}

function table([head = [], ...lines]: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
