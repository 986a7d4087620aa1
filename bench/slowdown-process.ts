// node slowdown-process.ts WORKLOAD ROUNDS SEED: one process of the slowdown bench. Loads the program in each mode, warms
// all of them up until V8 has optimised them, then runs them in turn, many short rounds; the order rotates, so that
// none of them always follows the same other one.

import { engine, observe, type Running, type Workload } from '../test/support/workloads/index.ts';
import { threadTimeMs } from './clock.ts';
import { benchPrograms, inMode, type Mode, modes } from './modules.ts';

export interface SlowdownSamples {
  readonly modules: Readonly<Record<Mode, { slots: number; functions: number; sizeBytes: number }>>;
  /** Thread CPU time of the work, ms, one figure a round. */
  readonly times: Readonly<Record<Mode, readonly number[]>>;
}

const warmUpMs = 600;
const roundMs = 15;

async function measure(workload: Workload, rounds: number, seed: number): Promise<SlowdownSamples> {
  const { modules } = await observe(workload.start, 0.05);
  const programs = {} as Record<Mode, Running>;
  const described = {} as Record<Mode, SlowdownSamples['modules'][Mode]>;
  // Where code and memory come to lie differs from process to process; no mode always comes first.
  const order = modes.map((_, i) => modes[(i + seed) % modes.length] ?? 'plain');
  for (const mode of order) {
    const { loader, ...description } = await inMode(mode, modules);
    programs[mode] = await workload.start(loader);
    described[mode] = description;
  }
  const scale = await findScale(await workload.start(engine));
  for (const mode of order) await warmUp(programs[mode], scale);
  const times: Record<Mode, number[]> = { plain: [], control: [], all: [], auto: [], entry: [] };
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < order.length; turn++) {
      const mode = order[(turn + round) % order.length] ?? 'plain';
      times[mode].push(await timeOnce(programs[mode], scale));
    }
  }
  return { modules: described, times };
}

/** How much work takes about as long as a round is to take. */
async function findScale(program: Running): Promise<number> {
  let scale = 1;
  for (let i = 0; i < 4; i++) {
    await program.work(scale);
    const elapsed = await timeOnce(program, scale);
    scale = Math.min(10, Math.max(0.02, (scale * roundMs) / elapsed));
  }
  return scale;
}

async function timeOnce(program: Running, scale: number): Promise<number> {
  const began = threadTimeMs();
  await program.work(scale);
  return threadTimeMs() - began;
}

async function warmUp(program: Running, scale: number): Promise<void> {
  for (let spent = 0; spent < warmUpMs; ) {
    spent += await timeOnce(program, scale);
    // Code that V8 optimised in the background is taken over between rounds.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const [name, rounds, seed] = process.argv.slice(2);
const workload = benchPrograms.find((w) => w.name === name);
if (workload === undefined) throw new Error(`no workload "${name}"`);
const samples = await measure(workload, Number(rounds), Number(seed));
process.stdout.write(JSON.stringify(samples), () => process.exit());
