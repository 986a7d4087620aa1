// node --expose-gc transition-instances.ts INSTANCES ROUNDS: one process of the transition bench. How long apply and revert take
// with so many idle instances, how long they hold up the event loop, and what an instance costs in memory.

import { PerformanceObserver } from 'node:perf_hooks';
import { buildPatch } from '../src/build/index.ts';
import { Patcher } from '../src/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { wat } from '../test/support/wat.ts';
import { threadTimeMs } from './clock.ts';

export interface InstancesSamples {
  readonly applyMs: readonly number[];
  readonly revertMs: readonly number[];
  /** CPU time of the thread in them, ms. */
  readonly applyCpuMs: readonly number[];
  readonly revertCpuMs: readonly number[];
  /** The longest turn of the event loop in as much time without a patch, and while one is applied, ms; one figure a round. */
  readonly longestIdleTurnMs: readonly number[];
  readonly longestTurnMs: readonly number[];
  /** The longest pause of the garbage collector in the latter, which sees the whole heap, ms. */
  readonly longestCollectionMs: readonly number[];
  /** JavaScript heap, bytes an instance: of the engine alone, known to a patcher besides, with a patch on besides. */
  readonly heap: { readonly plain: number; readonly adopted: number; readonly patched: number };
}

const functions = Array.from({ length: 20 }, (_, i) => `f${i}`);
// No memory: ten thousand of them are more address space than there is.
const kernel = `(module ${functions
  .map((f, i) => `(func $${f} (export "${f}") (result i32) (i32.const ${i}))`)
  .join('\n')})`;

async function measure(count: number, rounds: number): Promise<InstancesSamples> {
  const { bytes } = await prepare(wat(kernel), { slots: 'all' });
  const module = await WebAssembly.compile(bytes);
  const text = `(module ${[1, 2].map((i) => `(func (export "f${i}") (result i32) (i32.const 100))`).join('')})`;
  const source = { kind: 'wat', text, file: 'two.wat' } as const;
  const replacements = ['f1', 'f2'].map((f) => ({ function: f, source }));
  const patch = (await buildPatch({ target: bytes, name: 'two', replacements })).bytes;

  const start = heapBytes();
  const instances = Array.from({ length: count }, () => new WebAssembly.Instance(module));
  const plain = heapBytes();
  const patcher = new Patcher();
  for (const instance of instances) patcher.adopt(instance, module);
  const adopted = heapBytes();
  await patcher.apply(patch);
  const patched = heapBytes();
  check(instances, 100);
  await patcher.revert();
  check(instances, 1);

  const samples: Record<Exclude<keyof InstancesSamples, 'heap'>, number[]> = {
    applyMs: [],
    revertMs: [],
    applyCpuMs: [],
    revertCpuMs: [],
    longestIdleTurnMs: [],
    longestTurnMs: [],
    longestCollectionMs: [],
  };
  for (let round = 0; round < rounds; round += 1) {
    const apply = await timed(() => patcher.apply(patch));
    const revert = await timed(() => patcher.revert());
    samples.applyMs.push(apply.elapsedMs);
    samples.revertMs.push(revert.elapsedMs);
    samples.applyCpuMs.push(apply.cpuMs);
    samples.revertCpuMs.push(revert.cpuMs);
    const during = await longest(() => patcher.apply(patch));
    const idle = await longest(() => new Promise((resolve) => setTimeout(resolve, apply.elapsedMs)));
    samples.longestTurnMs.push(during.turnMs);
    samples.longestCollectionMs.push(during.collectionMs);
    samples.longestIdleTurnMs.push(idle.turnMs);
    await patcher.revert();
  }
  const each = (bytes: number): number => bytes / count;
  const heap = {
    plain: each(plain - start),
    adopted: each(adopted - plain),
    patched: each(patched - adopted),
  };
  return { ...samples, heap };
}

/** What the program answers shows that all of them have switched. */
function check(instances: readonly WebAssembly.Instance[], expected: number): void {
  for (const { exports } of instances) {
    const f = exports['f1'];
    if (typeof f !== 'function' || f() !== expected)
      throw new Error(`an instance does not answer ${expected}`);
  }
}

async function timed(work: () => Promise<unknown>): Promise<{ elapsedMs: number; cpuMs: number }> {
  const [began, cpu] = [performance.now(), threadTimeMs()];
  await work();
  return { elapsedMs: performance.now() - began, cpuMs: threadTimeMs() - cpu };
}

/** The event loop is kept turning meanwhile; the time between two turns is what anyone else would have had to wait. */
async function longest(work: () => Promise<unknown>): Promise<{ turnMs: number; collectionMs: number }> {
  const collections: number[] = [0];
  const observer = new PerformanceObserver((list) => {
    collections.push(...list.getEntries().map((e) => e.duration));
  });
  observer.observe({ entryTypes: ['gc'] });
  let turnMs = 0;
  let turning = true;
  let last = performance.now();
  const turn = (): void => {
    const now = performance.now();
    turnMs = Math.max(turnMs, now - last);
    last = now;
    if (turning) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  turning = false;
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve)); // observers come later
  observer.disconnect();
  return { turnMs, collectionMs: Math.max(...collections) };
}

function heapBytes(): number {
  for (let i = 0; i < 3; i += 1) globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const [count, rounds] = process.argv.slice(2).map(Number);
if (count !== undefined && rounds !== undefined)
  process.stdout.write(JSON.stringify(await measure(count, rounds)));
