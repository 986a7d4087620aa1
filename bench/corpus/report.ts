// What the bench prints: a line as each entry ends, then the totals by kind of change.

import Table from 'cli-table3';
import prettyBytes from 'pretty-bytes';
import { type Outcome, outcomeKinds, type Row } from './outcome.ts';

const nameWidth = 36;

export function header(): string {
  return line('entry', 'patch', 'module', 'build', 'funcs', 'reached', 'outcome');
}

/** One row, with a further line for each thing to look at. */
export function showRow(row: Row): string {
  const { patch, moduleBytes, otherChecks } = row;
  const first = line(
    row.name,
    patch === undefined ? '' : prettyBytes(patch.sizeBytes),
    moduleBytes === undefined ? '' : prettyBytes(moduleBytes),
    patch === undefined ? '' : `${Math.round(patch.buildMs)} ms`,
    patch === undefined ? '' : functions(patch),
    patch?.reached === undefined ? '' : `${patch.reached.reached}/${patch.reached.of}`,
    describe(row.outcome) +
      (patch === undefined || patch.allowed.length === 0 ? '' : ` (allowed: ${patch.allowed.join(', ')})`),
  );
  const more = [
    ...details(row.outcome),
    ...row.notes,
    ...(otherChecks?.differing ?? []).map((text) => `other check, ${text}`),
  ];
  return [first, ...more.map((text) => `    ${text}`)].join('\n');
}

function line(name: string, ...cells: readonly string[]): string {
  const [patch = '', module = '', build = '', count = '', reached = '', outcome = ''] = cells;
  const figures = [patch, module, build, count, reached].map((cell) => cell.padStart(8)).join(' ');
  return `${name.padEnd(nameWidth)} ${figures}  ${outcome}`;
}

/** Changed functions, and those that moved along with them: `2+1`. */
function functions({ changed, expanded, replaced }: NonNullable<Row['patch']>): string {
  if (changed === undefined) return String(replaced);
  return expanded === undefined || expanded === 0 ? String(changed) : `${changed}+${expanded}`;
}

function describe(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'applied':
      return 'applied, no hand-written code';
    case 'refused':
      return `refused ${outcome.error.code}${outcome.during === 'building the patch' ? '' : ` while ${outcome.during}`}`;
    case 'nothing':
      return 'nothing to do';
    case 'wrong':
      return 'WRONG';
    case 'failed':
      return `FAILED while ${outcome.during}`;
    case 'not built':
      return 'pair not built';
    case 'no builder':
      return 'right up to the patch, which nothing builds yet';
  }
}

function details(outcome: Outcome): readonly string[] {
  switch (outcome.kind) {
    case 'refused':
      return [outcome.error.message];
    case 'wrong':
      return outcome.differences;
    case 'failed':
    case 'not built':
      return [outcome.reason.split('\n').slice(0, 4).join(' | ')];
    default:
      return [];
  }
}

type Counts = Readonly<Record<Outcome['kind'], number>>;

export interface Totals {
  readonly all: Counts;
  /** An entry counts under each of its kinds. */
  readonly byKind: Readonly<Record<string, Counts>>;
  /** How often each refusal was given. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Medians over the patches built. */
  readonly patch?: {
    readonly sizeBytes: number;
    readonly ofModule: number;
    readonly buildMs: number;
    readonly slowestBuildMs: number;
  };
  /** Applied entries whose calls run at least one of the replaced functions. */
  readonly reached: number;
  readonly otherChecks: { readonly equal: number; readonly differing: number };
}

export function totals(rows: readonly Row[]): Totals {
  const kinds = [...new Set(rows.flatMap((row) => row.kinds))].sort();
  const codes = rows.flatMap(({ outcome }) => (outcome.kind === 'refused' ? [outcome.error.code] : []));
  const patches = rows.flatMap(({ patch, moduleBytes }) =>
    patch === undefined || moduleBytes === undefined
      ? []
      : [{ ...patch, ofModule: patch.sizeBytes / moduleBytes }],
  );
  const median = (of: (patch: (typeof patches)[number]) => number): number =>
    patches.map(of).sort((a, b) => a - b)[patches.length >> 1] ?? Number.NaN;
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return {
    all: count(rows),
    byKind: Object.fromEntries(
      kinds.map((kind) => [kind, count(rows.filter((row) => row.kinds.includes(kind)))]),
    ),
    refusals: Object.fromEntries(
      [...new Set(codes)].sort().map((code) => [code, codes.filter((c) => c === code).length]),
    ),
    ...(patches.length === 0
      ? {}
      : {
          patch: {
            sizeBytes: median((p) => p.sizeBytes),
            ofModule: median((p) => p.ofModule),
            buildMs: median((p) => p.buildMs),
            slowestBuildMs: Math.max(...patches.map((p) => p.buildMs)),
          },
        }),
    reached: rows.filter((r) => r.outcome.kind === 'applied' && (r.patch?.reached?.reached ?? 0) > 0).length,
    otherChecks: {
      equal: sum((row) => row.otherChecks?.equal ?? 0),
      differing: sum((row) => row.otherChecks?.differing.length ?? 0),
    },
  };
}

function count(rows: readonly Row[]): Counts {
  const of = (kind: Outcome['kind']): number => rows.filter((row) => row.outcome.kind === kind).length;
  // Object.fromEntries forgets which keys it was given.
  return Object.fromEntries(outcomeKinds.map((kind) => [kind, of(kind)])) as Counts;
}

export function showTotals({ all, byKind, refusals, patch, reached, otherChecks }: Totals): string {
  // Columns in which nothing stands say nothing, but for the one that must stay empty.
  const shown = outcomeKinds.filter((kind) => all[kind] > 0 || kind === 'applied' || kind === 'wrong');
  const table = new Table({
    head: ['kind of change', 'entries', ...shown],
    style: { head: [], border: [] },
    colAligns: ['left', ...['entries', ...shown].map(() => 'right' as const)],
  });
  const add = (name: string, counts: Counts): void => {
    const entries = outcomeKinds.reduce((total, kind) => total + counts[kind], 0);
    table.push([name, entries, ...shown.map((kind) => counts[kind] || '')]);
  };
  for (const [kind, counts] of Object.entries(byKind)) add(kind, counts);
  add('all', all);
  const lines = [String(table)];
  for (const [code, times] of Object.entries(refusals)) lines.push(`refused ${times} x ${code}`);
  if (patch !== undefined) {
    const part = (100 * patch.ofModule).toFixed(1);
    lines.push(
      `median patch ${prettyBytes(patch.sizeBytes)}, ${part} % of its module, built in ${Math.round(patch.buildMs)} ms; ` +
        `the slowest in ${Math.round(patch.slowestBuildMs)} ms`,
    );
  }
  lines.push(
    `of ${all.applied} applied, ${reached} have a replaced function that the entry's calls run`,
    `checks for other fixes, on fresh instances: ${otherChecks.equal} equal, ${otherChecks.differing} not`,
  );
  return lines.join('\n');
}
