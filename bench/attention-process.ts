// node attention-process.ts PROGRAM ROUNDS: one process of the attention bench. Rounds of the three modules alternate.

import { pathToFileURL } from 'node:url';
import { instantiate } from '../src/host/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { Patcher } from '../src/runtime/index.ts';
import { compileCFile } from '../test/support/compile-c.ts';
import { wat } from '../test/support/wat.ts';

export const steps = ['unprepared', 'slots', 'attention'] as const;
/** CPU ms, one figure a round. */
export type AttentionTimes = Readonly<Record<(typeof steps)[number], readonly number[]>>;

interface Case {
  readonly bytes: () => Promise<Uint8Array>;
  /** The export that is called, with its argument. */
  readonly call: readonly [string, number];
}

const recursion = `(module (import "env" "memory" (memory 2 16 shared))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2))))))))`;

const loop = `(module (import "env" "memory" (memory 2 16 shared))
  (func $get (param i32) (result i32) (i32.add (i32.load (i32.and (local.get 0) (i32.const 0xfffc))) (local.get 0)))
  (func (export "loop") (param $n i32) (result i32) (local $sum i32)
    (loop $more
      (local.set $sum (i32.add (local.get $sum) (call $get (local.get $n))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))`;

const tally = (): Promise<Uint8Array> =>
  compileCFile('test/support/workloads/programs/tally.c', {
    flags: [
      '--target=wasm32-unknown-unknown',
      '-nostdlib',
      '-matomics',
      '-mbulk-memory',
      '-Wl,--no-entry,--shared-memory,--import-memory,--initial-memory=131072,--max-memory=1048576',
    ],
  });

export const cases: Readonly<Record<string, Case>> = {
  recursion: { bytes: async () => wat(recursion), call: ['fib', 32] },
  loop: { bytes: async () => wat(loop), call: ['loop', 60_000_000] },
  tally: { bytes: tally, call: ['run', 2_000_000] },
};

const warmUpRounds = 2;

async function measure({ bytes, call: [name, argument] }: Case, rounds: number): Promise<AttentionTimes> {
  const kernel = new Uint8Array(await bytes());
  const plain = await WebAssembly.instantiate(kernel, imports());
  const runs = {
    unprepared: plain.instance,
    slots: await prepared(kernel, false),
    attention: await prepared(kernel, true),
  };
  const times: Record<(typeof steps)[number], number[]> = { unprepared: [], slots: [], attention: [] };
  for (let round = 0; round < warmUpRounds + rounds; round++)
    for (const step of steps) {
      const f = runs[step].exports[name];
      if (typeof f !== 'function') throw new Error(`no function ${name}`);
      const began = process.cpuUsage().user;
      f(argument);
      if (round >= warmUpRounds) times[step].push((process.cpuUsage().user - began) / 1000);
    }
  return times;
}

async function prepared(kernel: Uint8Array, attention: boolean): Promise<WebAssembly.Instance> {
  const { bytes } = await prepare(kernel, { slots: 'all', attention });
  return (await instantiate(bytes, imports(), { patcher: new Patcher() })).instance;
}

function imports(): WebAssembly.Imports {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 16, shared: true });
  return { env: { memory }, host: { waited: () => {} } };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name = '', rounds] = process.argv.slice(2);
  const given = cases[name];
  if (given === undefined) throw new Error(`no case "${name}"`);
  process.stdout.write(JSON.stringify(await measure(given, Number(rounds))));
}
