// node startup-process.ts WORKLOAD MODE: one process of the startup bench: a program's first answer, then more instances of
// its largest module.

import { setTimeout } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { type Loader, observe } from '../test/support/workloads/index.ts';
import { threadTimeMs } from './clock.ts';
import { benchPrograms, inMode, type Mode, modes } from './modules.ts';
import { spread } from './statistics.ts';

export interface Startup {
  /** From loading the program to its first answer: CPU time of the thread, ms. */
  readonly firstAnswerMs: number;
  /** One `new WebAssembly.Instance` of a compiled module, µs. */
  readonly instantiateUs: number;
  /** What one more instance takes of the engine's heap and buffers, bytes. */
  readonly instanceBytes: number;
}

const batches = 5;
const batchSize = 4;

async function measure(name: string, mode: Mode): Promise<Startup> {
  const workload = benchPrograms.find((w) => w.name === name);
  if (workload === undefined) throw new Error(`no workload "${name}"`);
  const { modules } = await observe(workload.start, 0.02);
  const { loader } = await inMode(mode, modules);
  const loads: { bytes: Uint8Array<ArrayBuffer>; imports: WebAssembly.Imports }[] = [];
  const watched: Loader = {
    bytes: (original) => {
      const bytes = loader.bytes(original);
      loads.push({ bytes, imports: {} });
      return bytes;
    },
    imports: (imports) => {
      loads.push({ bytes: loads.pop()?.bytes ?? new Uint8Array(), imports });
      return imports;
    },
  };
  const began = threadTimeMs();
  const program = await workload.start(watched);
  await program.work(0.02);
  const firstAnswerMs = threadTimeMs() - began;
  const [largest] = loads.sort((a, b) => b.bytes.length - a.bytes.length);
  if (largest === undefined) throw new Error('no module was loaded');
  return {
    firstAnswerMs,
    ...(await instantiateMore(new WebAssembly.Module(largest.bytes), largest.imports)),
  };
}

async function instantiateMore(
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): Promise<Omit<Startup, 'firstAnswerMs'>> {
  const kept: WebAssembly.Instance[] = [];
  const times: number[] = [];
  const grown: number[] = [];
  let held = await heldBytes();
  // What the program left behind is let go of in one of the batches: the median is of those that have nothing to do with it.
  for (let batch = 0; batch < batches; batch++) {
    for (let i = 0; i < batchSize; i++) {
      const began = threadTimeMs();
      kept.push(new WebAssembly.Instance(module, imports));
      times.push((threadTimeMs() - began) * 1000);
    }
    const before = held;
    held = await heldBytes();
    grown.push((held - before) / batchSize);
  }
  return { instantiateUs: spread(times).median, instanceBytes: spread(grown).median };
}

/** What the engine's heap holds, and buffers beside it: globals that are numbers stand in one. Memories of programs do not count. */
async function heldBytes(): Promise<number> {
  // Compiling in the background, and finalizers, let go of things later.
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await setTimeout(50);
  }
  return getHeapStatistics().used_heap_size + process.memoryUsage().arrayBuffers;
}

const [name = '', mode] = process.argv.slice(2);
const known = modes.find((m) => m === mode);
if (known === undefined) throw new Error(`no mode "${mode}"`);
const result = await measure(name, known);
process.stdout.write(JSON.stringify(result), () => process.exit());
