// What a call to a patched function costs: a direct call, the same call through an unpatched slot, and through a taken
// one. With V8's inlining on, a call to a small function may cost nothing at all; with it off, it is an honest call.

import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import { type CallTimes, cases, steps } from './redirect-process.ts';
import { spread } from './statistics.ts';

export const redirect: Bench = {
  name: 'redirect',
  shows: 'ns a call, median and quartiles; ratio to an un-inlined direct call of the unprepared module',
  columns: ['call', 'inlining', 'module', 'ns', 'quartiles', 'ratio'],
  run,
};

async function* run({ only, processes, rounds }: BenchOptions): AsyncGenerator<Row> {
  for (const call of Object.keys(cases).filter((name) => only.length === 0 || only.includes(name))) {
    const off = await measure(call, ['--no-wasm-inlining'], { processes, rounds });
    const on = await measure(call, [], { processes, rounds });
    const direct = spread(off.unprepared).median;
    for (const [inlining, times] of [['off', off] as const, ['on', on] as const]) {
      for (const step of steps) {
        const ns = spread(times[step]);
        yield {
          call,
          inlining,
          module: step,
          ns: ns.median.toFixed(2),
          quartiles: `${ns.low.toFixed(2)} - ${ns.high.toFixed(2)}`,
          ratio: (ns.median / direct).toFixed(2),
          samples: ns.count,
        };
      }
    }
  }
}

async function measure(
  call: string,
  flags: readonly string[],
  { processes, rounds }: { readonly processes: number; readonly rounds: number },
): Promise<Record<(typeof steps)[number], number[]>> {
  const all: Record<(typeof steps)[number], number[]> = {
    unprepared: [],
    prepared: [],
    patched: [],
    reverted: [],
  };
  for (let i = 0; i < processes; i++) {
    const times = await measureInChild<CallTimes>('redirect-process.ts', {
      args: [call, String(rounds)],
      flags,
    });
    for (const step of steps) all[step].push(...times[step]);
  }
  return all;
}
