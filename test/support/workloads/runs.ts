// Runs of a workload: once as it is, to learn what it computes and which modules it loads; then with others in their place.

import { createHash } from 'node:crypto';
import { engine, type Loader, type Running } from './workload.ts';

type Bytes = Uint8Array<ArrayBuffer>;
type Start = (loader: Loader) => Promise<Running>;

export interface Observation {
  readonly digest: string;
  /** The modules in the order in which the program loads them. */
  readonly modules: readonly Bytes[];
}

/** Loads and runs a program on the engine alone. */
export async function observe(start: Start, scale?: number): Promise<Observation> {
  const modules: Bytes[] = [];
  const program = await start({
    bytes: (original) => {
      modules.push(original.slice());
      return original;
    },
  });
  return { digest: await program.work(scale), modules };
}

export async function run(start: Start, loader: Loader = engine, scale?: number): Promise<string> {
  const program = await start(loader);
  return program.work(scale);
}

/** A loader that gives each of these modules its substitute; a module that it does not know is an error. */
export function substitute(modules: readonly Bytes[], substitutes: readonly Bytes[]): Loader {
  const byHash = new Map(modules.map((module, i) => [hash(module), substitutes[i]]));
  return {
    bytes: (original) => {
      const found = byHash.get(hash(original));
      if (found === undefined) throw new Error(`a module of ${original.length} bytes was not there before`);
      return found;
    },
  };
}

function hash(bytes: Bytes): string {
  return createHash('sha256').update(bytes).digest('hex');
}
