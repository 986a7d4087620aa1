// C with setjmp and longjmp, compiled to WebAssembly exceptions: once in the legacy encoding (try, catch) that most
// published modules have, once in the standard one (try_table, throw_ref).

import { compileCFile } from '../compile-c.ts';
import { digest } from './digest.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const legacyExceptions: Workload = exceptions('legacy exceptions', true);
export const exceptionsProposal: Workload = exceptions('exceptions', false);

function exceptions(name: string, isLegacy: boolean): Workload {
  const start = (loader: Loader): Promise<Running> => load(loader, isLegacy);
  return { name, traits: ['c', 'wasi', isLegacy ? 'legacy exceptions' : 'try_table'], start, named: start };
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  line(): number;
  evaluate(): number;
  search(wanted: number, rounds: number): number;
  failed(why: number): number;
}

const flags = ['-mexec-model=reactor', '-fwasm-exceptions', '-mllvm', '-wasm-enable-sjlj', '-lsetjmp'];

async function load(loader: Loader, isLegacy: boolean): Promise<Running> {
  const bytes = new Uint8Array(
    await compileCFile('test/support/workloads/programs/formulas.c', {
      flags: [...flags, '-mllvm', `-wasm-use-legacy-eh=${isLegacy}`],
    }),
  );
  let reports = 0;
  const report = (why: number): void => {
    reports += why;
  };
  const wasi = { fd_close: zero, fd_write: zero, fd_seek: zero };
  const imports = { host: { report }, wasi_snapshot_preview1: wasi };
  const { instance } = await loadThrough(loader, () => WebAssembly.instantiate(bytes, imports));
  // The source in programs/ declares them.
  const program = instance.exports as unknown as Exports;
  program._initialize();
  return {
    work: async (scale = 1) => {
      reports = 0;
      const result = work(program, scale);
      return `${result}, reported ${reports}`;
    },
  };
}

/** The program prints to memory only; libc asks for these all the same. */
const zero = (): number => 0;

const formulas = ['1+2*3', '(4-9)*-(2+8)/7', '8/(3-3)', '2*(3+', `${'('.repeat(80)}1`, '', '7*7)', '----5'];

function work(program: Exports, scale: number): string {
  const before = [1, 2, 3].map((why) => program.failed(why));
  const values = formulas.map((formula) => {
    const encoded = new TextEncoder().encode(`${formula}\0`);
    new Uint8Array(program.memory.buffer, program.line(), encoded.length).set(encoded);
    return program.evaluate();
  });
  const found = [0, 7, 24, 1_000_001, 1_000_002].map((wanted) =>
    program.search(wanted, Math.ceil(4000 * scale)),
  );
  const failed = [1, 2, 3].map((why, i) => program.failed(why) - (before[i] ?? 0));
  return `${JSON.stringify({ values, found, failed })} ${digest([values, found, failed])}`;
}
