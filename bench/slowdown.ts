// What slots cost a program that is not patched: the time of its ordinary work, prepared against unprepared.

import { slotPolicies } from '../src/patch/index.ts';
import { workloads } from '../test/support/workloads/index.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { SlowdownSamples } from './slowdown-process.ts';
import { spread } from './statistics.ts';

export const slowdown: Bench = {
  name: 'slowdown',
  shows:
    'CPU time of unpatched programs, prepared / unprepared; interleaved rounds, median and quartiles of their ratios',
  columns: ['program', 'slots', 'of functions', 'unprepared ms', 'ratio', 'quartiles', 'size'],
  run,
};

const defaults = ['sql.js', 'quickjs'];

async function* run({ only, processes, rounds }: BenchOptions): AsyncGenerator<Row> {
  const chosen = workloads.filter(({ name }) => (only.length === 0 ? defaults : only).includes(name));
  for (const { name } of chosen) {
    const runs: SlowdownSamples[] = [];
    for (let i = 0; i < processes; i++)
      runs.push(
        await measureInChild<SlowdownSamples>('slowdown-process.ts', { args: [name, String(rounds)] }),
      );
    for (const policy of slotPolicies) yield row(name, policy, runs);
  }
}

function row(program: string, policy: (typeof slotPolicies)[number], runs: readonly SlowdownSamples[]): Row {
  const ratios = runs.flatMap((run) =>
    run.times[policy].map((time, i) => time / (run.times.none[i] ?? Number.NaN)),
  );
  const ratio = spread(ratios);
  const plain = spread(runs.flatMap((run) => run.times.none));
  const module = runs[0]?.modules[policy];
  return {
    program,
    slots: policy,
    'of functions': `${module?.slots} / ${module?.functions}`,
    'unprepared ms': plain.median.toFixed(1),
    ratio: ratio.median.toFixed(3),
    quartiles: `${ratio.low.toFixed(3)} - ${ratio.high.toFixed(3)}`,
    size: `+${(100 * (module?.growth ?? 0)).toFixed(1)} %`,
    samples: ratio.count,
  };
}
