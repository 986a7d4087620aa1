// node slowdown-process.ts WORKLOAD ROUNDS: one process of the slowdown bench. Loads the program unprepared and prepared by
// each policy, warms all of them up until V8 has optimised them, then runs them in turn; the order rotates, so that
// none of them always follows the same other one.

import { slotPolicies } from '../src/patch/index.ts';
import { prepare } from '../src/prepare/index.ts';
import {
  engine,
  observe,
  type Running,
  substitute,
  type Workload,
  workloads,
} from '../test/support/workloads/index.ts';
import { threadTimeMs } from './statistics.ts';

const modes = ['none', ...slotPolicies] as const;
type Mode = (typeof modes)[number];

export interface SlowdownSamples {
  readonly modules: Readonly<Record<Mode, { slots: number; functions: number; growth: number }>>;
  /** Thread CPU time of the work, ms, one figure a round. */
  readonly times: Readonly<Record<Mode, readonly number[]>>;
}

const warmUpMs = 2000;
/** Linux counts a thread's time in ticks of up to 4 ms: a round must be long against that. */
const roundMs = 400;

async function measure(workload: Workload, rounds: number): Promise<SlowdownSamples> {
  const { modules } = await observe(workload.start);
  const programs = {} as Record<Mode, Running>;
  const described = {} as Record<Mode, SlowdownSamples['modules'][Mode]>;
  for (const mode of modes) {
    const made =
      mode === 'none'
        ? []
        : await Promise.all(modules.map((m) => prepare(m, { slots: mode, engine: 'splice' })));
    const loader =
      mode === 'none'
        ? engine
        : substitute(
            modules,
            made.map(({ bytes }) => bytes),
          );
    programs[mode] = await workload.start(loader);
    const sum = (of: (report: (typeof made)[number]['report']) => number): number =>
      made.reduce((total, { report }) => total + of(report), 0);
    const before = sum((report) => report.sizeBytes.before);
    described[mode] = {
      slots: sum((report) => report.slots),
      functions: sum((report) => report.functions),
      growth: sum((report) => report.sizeBytes.after) / before - 1,
    };
  }
  for (const mode of modes) await warmUp(programs[mode]);
  const began = performance.now();
  await programs.none.work();
  const repeats = Math.ceil(roundMs / (performance.now() - began));
  return { modules: described, times: await timeInTurn(programs, { rounds, repeats }) };
}

async function warmUp(program: Running): Promise<void> {
  for (const until = performance.now() + warmUpMs; performance.now() < until; ) {
    await program.work();
    // Code that V8 optimised in the background is taken over between rounds.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function timeInTurn(
  programs: Record<Mode, Running>,
  { rounds, repeats }: { readonly rounds: number; readonly repeats: number },
): Promise<Record<Mode, number[]>> {
  const times: Record<Mode, number[]> = { none: [], all: [], auto: [], entry: [] };
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < modes.length; turn++) {
      const mode = modes[(turn + round) % modes.length] ?? 'none';
      const began = threadTimeMs();
      for (let i = 0; i < repeats; i++) await programs[mode].work();
      times[mode].push((threadTimeMs() - began) / repeats);
    }
  }
  return times;
}

const [name, rounds] = process.argv.slice(2);
const workload = workloads.find((w) => w.name === name);
if (workload === undefined) throw new Error(`no workload "${name}"`);
process.stdout.write(JSON.stringify(await measure(workload, Number(rounds))));
