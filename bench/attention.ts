// What it costs to be reached at each function call: a program unprepared, with slots, and with slots that also look at the
// attention word. Recursion and a loop that do nothing but call are the worst cases; the counters in C are a program with locks.

import { type AttentionTimes, cases, steps } from './attention-process.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { Release } from './engines.ts';
import { spread } from './statistics.ts';

export const attention: Bench = {
  name: 'attention',
  shows: 'CPU ms a round, median; ratios to the program with slots, and to the unprepared one',
  columns: ['program', 'node', ...steps, 'attention / slots', 'attention / unprepared'],
  run,
};

async function* run({ only, nodes, ...how }: BenchOptions): AsyncGenerator<Row> {
  for (const name of Object.keys(cases).filter((n) => only.length === 0 || only.includes(n)))
    for (const node of nodes) yield await measure(name, node, how);
}

async function measure(
  name: string,
  node: Release,
  { processes, rounds }: { readonly processes: number; readonly rounds: number },
): Promise<Row> {
  const all: Record<(typeof steps)[number], number[]> = { unprepared: [], slots: [], attention: [] };
  for (let i = 0; i < processes; i++) {
    const args = [name, String(rounds)];
    const times = await measureInChild<AttentionTimes>('attention-process.ts', { args, node });
    for (const step of steps) all[step].push(...times[step]);
  }
  const ms = (step: (typeof steps)[number]): number => spread(all[step]).median;
  return {
    program: name,
    node,
    unprepared: ms('unprepared').toFixed(1),
    slots: ms('slots').toFixed(1),
    attention: ms('attention').toFixed(1),
    'attention / slots': (ms('attention') / ms('slots')).toFixed(2),
    'attention / unprepared': (ms('attention') / ms('unprepared')).toFixed(2),
  };
}
