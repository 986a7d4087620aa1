// What a transition costs whoever is patched: how long it takes with 1, 100 and 10 000 instances, how long it holds up the event
// loop, what an instance costs in memory, and what the clients of a server see of a thousand applies and reverts.

import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import { quantile, spread } from './statistics.ts';
import type { InstancesSamples } from './transition-instances.ts';
import type { ServerSamples } from './transition-server.ts';

export const transition: Bench = {
  name: 'transition',
  shows: 'medians and quartiles; "without" is the same process in as much time without a patch, interleaved',
  columns: ['case', 'figure', 'without', 'with a patch', 'quartiles'],
  run,
};

const counts = ['1', '100', '10000'];
const cycles = 1000;

async function* run({ only, processes, rounds }: BenchOptions): AsyncGenerator<Row> {
  const chosen = (name: string): boolean => only.length === 0 || only.includes(name);
  for (const count of counts.filter(chosen)) {
    const runs: InstancesSamples[] = [];
    for (let i = 0; i < processes; i += 1)
      runs.push(
        await measureInChild<InstancesSamples>('transition-instances.ts', {
          args: [count, String(rounds)],
          flags: ['--expose-gc'],
        }),
      );
    yield* instanceRows(`${count} ${count === '1' ? 'instance' : 'instances'}`, runs);
    if (count !== '1') yield* heapRows(`${count} instances`, runs); // of one it is mostly what all share
  }
  if (!chosen('server')) return;
  const runs: ServerSamples[] = [];
  for (let i = 0; i < processes; i += 1)
    runs.push(await measureInChild<ServerSamples>('transition-server.ts', { args: [String(cycles)] }));
  yield* serverRows(runs);
}

function* instanceRows(name: string, runs: readonly InstancesSamples[]): Generator<Row> {
  const all = (of: (run: InstancesSamples) => readonly number[]): readonly number[] => runs.flatMap(of);
  const figures = [
    ['apply, ms', all((r) => r.applyMs)],
    ['revert, ms', all((r) => r.revertMs)],
    ['apply, ms of CPU', all((r) => r.applyCpuMs)],
    ['revert, ms of CPU', all((r) => r.revertCpuMs)],
    ['longest turn, ms', all((r) => r.longestTurnMs), all((r) => r.longestIdleTurnMs)],
    ['longest garbage collection in it, ms', all((r) => r.longestCollectionMs)],
  ] as const;
  for (const [figure, given, without = []] of figures) yield row(name, figure, without, given);
}

function* heapRows(name: string, runs: readonly InstancesSamples[]): Generator<Row> {
  const heap = (of: keyof InstancesSamples['heap']): readonly number[] => runs.map((r) => r.heap[of]);
  yield row(name, 'heap of an instance, and of adopting it, bytes', heap('plain'), heap('adopted'));
  yield row(name, 'heap of a patch of 2 functions in it, bytes', [], heap('patched'));
}

function* serverRows(runs: readonly ServerSamples[]): Generator<Row> {
  const name = `server, ${cycles} applies and reverts`;
  for (const [figure, part] of [
    ['p50', 0.5],
    ['p99', 0.99],
    ['p99.9', 0.999],
  ] as const) {
    const of = (phase: 'quiet' | 'patching'): number[] => runs.map((r) => quantile(r.times[phase], part));
    yield row(name, `${figure} of a request, ms`, of('quiet'), of('patching'));
  }
  const requests = (phase: 'quiet' | 'patching'): number =>
    runs.reduce((n, r) => n + r.times[phase].length, 0);
  const lost = runs.reduce((n, r) => n + r.lost, 0);
  yield { case: name, figure: 'requests', without: requests('quiet'), 'with a patch': requests('patching') };
  yield { case: name, figure: 'requests lost', without: '', 'with a patch': lost };
}

function row(name: string, figure: string, without: readonly number[], given: readonly number[]): Row {
  const { median, low, high, count } = spread(given);
  const show = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));
  return {
    case: name,
    figure,
    without: without.length === 0 ? '' : show(spread(without).median),
    'with a patch': show(median),
    quartiles: `${show(low)} - ${show(high)}`,
    samples: count,
  };
}
