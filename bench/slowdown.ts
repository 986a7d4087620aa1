// What slots cost a program that is not patched: the time of its ordinary work, prepared against unprepared, and beside it
// the unprepared module against itself, which says how much of a figure is chance.

import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { Release } from './engines.ts';
import { chosenPrograms, modes, standsForPrograms } from './modules.ts';
import type { SlowdownSamples } from './slowdown-process.ts';
import { geometricMean, type Spread, spread } from './statistics.ts';

export const slowdown: Bench = {
  name: 'slowdown',
  shows:
    'CPU time of unpatched programs, prepared / unprepared: median and quartiles over processes of the median over interleaved rounds',
  columns: ['node', 'program', 'slots', 'of functions', 'plain ms', 'ratio', 'quartiles', 'file size'],
  run,
};

const compared = modes.filter((mode) => mode !== 'plain');
type Compared = (typeof compared)[number];

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  for (const node of options.nodes) {
    const real: Row[] = [];
    for (const workload of chosenPrograms(options, node)) {
      const { name } = workload;
      const runs: SlowdownSamples[] = [];
      for (let i = 0; i < options.processes; i++) {
        const args = [name, String(options.rounds), String(i)];
        runs.push(await measureInChild<SlowdownSamples>('slowdown-process.ts', { args, node }));
      }
      const measured = rowsOf(node, name, runs);
      if (standsForPrograms(workload)) real.push(...measured);
      yield* measured;
    }
    yield* means(node, real);
  }
}

/** One row for each mode. */
function rowsOf(node: Release, program: string, runs: readonly SlowdownSamples[]): Row[] {
  return compared.map((mode) => {
    const ratio = spread(runs.map((samples) => ratioOf(samples, mode)));
    return row({ node, program, mode, runs, ratio });
  });
}

/** The geometric mean over all programs, for each mode. */
function means(node: Release, rows: readonly Row[]): Row[] {
  return compared.map((mode) => {
    const ratios = rows.filter((r) => r['slots'] === mode).map((r) => Number(r['ratio']));
    const program = `geometric mean of ${ratios.length}`;
    return { node, program, slots: mode, ratio: geometricMean(ratios).toFixed(3) };
  });
}

/** A round of each mode ran next to a round of the plain module: their quotient knows least of what else the machine did. */
function ratioOf({ times }: SlowdownSamples, mode: Compared): number {
  return spread(times[mode].map((time, i) => time / (times.plain[i] ?? Number.NaN))).median;
}

interface Measured {
  readonly node: Release;
  readonly program: string;
  readonly mode: Compared;
  readonly runs: readonly SlowdownSamples[];
  readonly ratio: Spread;
}

function row({ node, program, mode, runs, ratio }: Measured): Row {
  const module = runs[0]?.modules[mode];
  const before = runs[0]?.modules.plain.sizeBytes ?? 0;
  const growth = 100 * ((module?.sizeBytes ?? before) / before - 1);
  return {
    node,
    program,
    slots: mode,
    'of functions': mode === 'control' ? '' : `${module?.slots} / ${module?.functions}`,
    'plain ms': spread(runs.flatMap((samples) => samples.times.plain)).median.toFixed(1),
    ratio: ratio.median.toFixed(3),
    quartiles: `${ratio.low.toFixed(3)} - ${ratio.high.toFixed(3)}`,
    'file size': mode === 'control' ? '' : `+${growth.toFixed(1)} %`,
    processes: ratio.count,
  };
}
