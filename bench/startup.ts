// What slots cost a program while it starts: its first answer, one instance more, and that instance's memory. Every
// process is a new one: engines keep compiled code for as long as anything uses it.

import { type SlotPolicy, slotPolicies } from '../src/patch/index.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { Release } from './engines.ts';
import { chosenPrograms, type Mode, standsForPrograms } from './modules.ts';
import type { Startup } from './startup-process.ts';
import { geometricMean, spread } from './statistics.ts';

export const startup: Bench = {
  name: 'startup',
  shows:
    'a program starts, and one instance more is made: medians over processes; in brackets prepared / unprepared',
  columns: ['node', 'program', 'slots', 'first answer ms', 'instantiate µs', 'memory of an instance kB'],
  run,
};

/** The control is the plain module in other bytes, so that nothing of the first load is reused. */
const compared = ['control', ...slotPolicies] as const satisfies readonly Mode[];
type Compared = (typeof compared)[number];
type Figure = keyof Startup;
type Measured = Readonly<Record<Compared, Startup>>;

const shown: readonly { figure: Figure; column: string; unit: number; digits: number }[] = [
  { figure: 'firstAnswerMs', column: 'first answer ms', unit: 1, digits: 1 },
  { figure: 'instantiateUs', column: 'instantiate µs', unit: 1, digits: 0 },
  { figure: 'instanceBytes', column: 'memory of an instance kB', unit: 1024, digits: 1 },
];

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  for (const node of options.nodes) {
    const real: Measured[] = [];
    for (const workload of chosenPrograms(options, node)) {
      const measured = await measure(workload.name, node, options.processes);
      if (standsForPrograms(workload)) real.push(measured);
      for (const mode of compared) yield row(node, workload.name, mode, measured);
    }
    for (const policy of slotPolicies) yield means(node, policy, real);
  }
}

async function measure(program: string, node: Release, processes: number): Promise<Measured> {
  const runs: Record<Compared, Startup[]> = { control: [], all: [], auto: [], entry: [] };
  for (let i = 0; i < processes; i++)
    for (const mode of compared)
      runs[mode].push(
        await measureInChild<Startup>('startup-process.ts', {
          args: [program, mode],
          node,
          flags: ['--expose-gc'],
        }),
      );
  return {
    control: medians(runs.control),
    all: medians(runs.all),
    auto: medians(runs.auto),
    entry: medians(runs.entry),
  };
}

function medians(processes: readonly Startup[]): Startup {
  const median = (figure: Figure): number => spread(processes.map((startup) => startup[figure])).median;
  return {
    firstAnswerMs: median('firstAnswerMs'),
    instantiateUs: median('instantiateUs'),
    instanceBytes: median('instanceBytes'),
  };
}

/** Prepared / unprepared. */
const ratioOf = (measured: Measured, mode: Compared, figure: Figure): number =>
  measured[mode][figure] / measured.control[figure];

function row(node: Release, program: string, mode: Compared, measured: Measured): Row {
  const cells = shown.map(({ figure, column, unit, digits }) => {
    const value = (measured[mode][figure] / unit).toFixed(digits);
    return [column, mode === 'control' ? value : `${value} (${ratioOf(measured, mode, figure).toFixed(2)})`];
  });
  return { node, program, slots: mode === 'control' ? 'none' : mode, ...Object.fromEntries(cells) };
}

/** The geometric means over all programs. */
function means(node: Release, slots: SlotPolicy, programs: readonly Measured[]): Row {
  const cells = shown.map(({ figure, column }) => {
    const ratios = programs.map((measured) => ratioOf(measured, slots, figure));
    return [column, `(${geometricMean(ratios).toFixed(3)})`];
  });
  return { node, program: `geometric mean of ${programs.length}`, slots, ...Object.fromEntries(cells) };
}
