// Programs that do nothing but call: the worst that a guard at each function's entry can meet.

import { wat } from '../test/support/wat.ts';
import { loadThrough } from '../test/support/workloads/load.ts';
import type { Loader, Running, Workload } from '../test/support/workloads/workload.ts';

const fibonacci = `(module
  (func $fib (export "run") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2))))))))`;

const links = 12;

/** Functions of a few bytes, each of which calls the next. */
const chainOfLinks = `(module
  ${Array.from(
    { length: links },
    (_, i) =>
      `(func $f${i} (param i32) (result i32) (i32.xor (i32.const ${i * 7 + 1}) ${
        i + 1 < links ? `(call $f${i + 1} (i32.add (local.get 0) (i32.const 3)))` : '(local.get 0)'
      }))`,
  ).join('\n')}
  (func (export "run") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (call $f0 (i32.add (local.get 0) (local.get 1))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))`;

function program(name: string, text: string, size: (scale: number) => number): Workload {
  const start = async (loader: Loader): Promise<Running> => {
    const bytes = new Uint8Array(await wat(text));
    const { instance } = await loadThrough(loader, () => WebAssembly.instantiate(bytes, {}));
    const run = instance.exports['run'];
    if (typeof run !== 'function') throw new Error('no run');
    return { work: async (scale = 1) => String(run(size(scale))) };
  };
  return { name, traits: ['calls only'], start };
}

const goldenRatio = (1 + Math.sqrt(5)) / 2;

export const microPrograms: readonly Workload[] = [
  program('fib', fibonacci, (scale) => Math.round(27 + Math.log(scale) / Math.log(goldenRatio))),
  program('chain', chainOfLinks, (scale) => Math.ceil(200_000 * scale)),
];
