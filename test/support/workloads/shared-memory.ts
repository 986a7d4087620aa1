// C for threads: the module imports a shared memory, locks with atomic wait and notify, and has passive segments that a
// start function copies once. Here the host takes the lock and gives it back while the program waits for it.

import { compileCFile } from '../compile-c.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const sharedMemory: Workload = {
  name: 'shared memory',
  traits: ['c', 'atomics', 'shared memory', 'start function', 'passive data'],
  start,
  named: start,
};

interface Exports {
  add(key: number, amount: number): number;
  run(rounds: number): number;
  block(): void;
  unlock(): void;
  sum(): bigint;
  reset(): void;
}

const pages = { initial: 2, maximum: 16 };
const flags = [
  '--target=wasm32-unknown-unknown',
  '-nostdlib',
  '-matomics',
  '-mbulk-memory',
  '-Wl,--no-entry,--shared-memory,--import-memory',
  `-Wl,--initial-memory=${pages.initial * 65536},--max-memory=${pages.maximum * 65536}`,
];

async function start(loader: Loader): Promise<Running> {
  const bytes = new Uint8Array(await compileCFile('test/support/workloads/programs/tally.c', { flags }));
  const memory = new WebAssembly.Memory({ ...pages, shared: true });
  let waits = 0;
  const waited = (count: number): void => {
    waits += count;
    if (waits === 3) program.unlock();
  };
  const { instance } = await loadThrough(loader, () =>
    WebAssembly.instantiate(bytes, { env: { memory }, host: { waited } }),
  );
  // The source in programs/ declares them.
  const program = instance.exports as unknown as Exports;
  const work = (scale: number): string => {
    program.reset();
    waits = 0;
    program.block();
    const first = program.add(1, 5);
    const mixed = program.run(Math.ceil(200_000 * scale));
    return `first ${first} after ${waits} waits, mixed ${mixed >>> 0}, sum ${program.sum()}`;
  };
  return { work: async (scale = 1) => work(scale) };
}
