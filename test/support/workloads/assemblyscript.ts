// AssemblyScript, compiled by its own compiler when first asked for, with SIMD: the output of a second toolchain than
// LLVM, with its own memory manager and tracing collector.

import { readFileSync } from 'node:fs';
import { digest } from './digest.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const assemblyScript: Workload = {
  name: 'assemblyscript',
  traits: ['assemblyscript', 'simd', 'start function'],
  start: async (loader) => start(loader, await compile('-O3')),
  named: async (loader) => start(loader, await compile('--debug')),
};

interface Exports {
  sum(count: number): number;
  mandelbrot(size: number): number;
  words(count: number): number;
  blur(rounds: number): number;
  tree(depth: number): number;
}

async function start(loader: Loader, bytes: Uint8Array<ArrayBuffer>): Promise<Running> {
  let reported = 0;
  const progress = (total: number): void => {
    reported += total;
  };
  const imports = { env: { progress, abort: (...where: number[]) => abort(where) } };
  const { instance } = await loadThrough(loader, () => WebAssembly.instantiate(bytes, imports));
  // The source beside this file declares them.
  const program = instance.exports as unknown as Exports;
  return {
    work: async (scale = 1) => {
      reported = 0;
      const result = work(program, scale);
      return `${result}, reported ${reported}`;
    },
  };
}

function work(program: Exports, scale: number): string {
  const results = {
    sum: program.sum(Math.ceil(200_000 * scale)),
    mandelbrot: program.mandelbrot(Math.ceil(160 * Math.sqrt(scale))),
    words: program.words(Math.ceil(8000 * scale)),
    blur: program.blur(Math.ceil(100 * scale)),
    tree: program.tree(Math.ceil(13 + Math.log2(scale))),
  };
  return `${JSON.stringify(results)} ${digest(results)}`;
}

function abort(where: number[]): never {
  throw new Error(`the AssemblyScript program gave up at ${where}`);
}

const compiled = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

function compile(mode: string): Promise<Uint8Array<ArrayBuffer>> {
  const found = compiled.get(mode) ?? compileAnew(mode);
  compiled.set(mode, found);
  return found;
}

async function compileAnew(mode: string): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import('assemblyscript/asc');
  const source = readFileSync(new URL('./programs/kinds.as', import.meta.url), 'utf8');
  let output: Uint8Array | undefined;
  const options = ['kinds.ts', '--outFile', 'out.wasm', '--enable', 'simd', '--runtime', 'incremental', mode];
  const { error, stderr } = await asc.main(options, {
    readFile: (name) => (name === 'kinds.ts' ? source : null),
    writeFile: (name, contents) => {
      if (name === 'out.wasm' && typeof contents !== 'string') output = contents;
    },
    listFiles: () => [],
  });
  if (error || output === undefined) throw error ?? new Error(`asc wrote nothing: ${stderr.toString()}`);
  return new Uint8Array(output);
}
