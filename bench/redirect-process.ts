// node redirect-process.ts CASE ROUNDS: one process of the redirect bench. Times a loop of calls to one function:
// unprepared, prepared, with a patch applied, and with it reverted.

import { pathToFileURL } from 'node:url';
import { buildPatch } from '../src/build/index.ts';
import { instantiate } from '../src/host/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { Patcher } from '../src/runtime/index.ts';
import { wat } from '../test/support/wat.ts';
import { threadTimeMs } from './clock.ts';

export const steps = ['unprepared', 'prepared', 'patched', 'reverted'] as const;
/** ns a call, one figure a round. */
export type CallTimes = Readonly<Record<(typeof steps)[number], readonly number[]>>;

interface Case {
  /** How many parameters besides the running value. */
  readonly parameters: number;
  /** Who calls: a loop in the module, or one in JavaScript. */
  readonly from: 'module' | 'host';
}

export const cases: Readonly<Record<string, Case>> = {
  '1 parameter': { parameters: 0, from: 'module' },
  '8 parameters': { parameters: 7, from: 'module' },
  'from JavaScript': { parameters: 0, from: 'host' },
};

const callsPerRound = 10_000_000;
const warmUpRounds = 4;

function kernel({ parameters }: Case): string {
  const zeros = '(i32.const 0)'.repeat(parameters);
  return `(module
    ${step(parameters, '(i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1))')}
    (func (export "loop") (param $n i32) (result i32) (local $value i32)
      (loop $again
        (local.set $value (call $step (local.get $value) ${zeros}))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $value)))`;
}

const step = (parameters: number, body: string): string =>
  `(func $step (export "step") (param i32 ${'i32 '.repeat(parameters)}) (result i32) ${body})`;

async function measure(given: Case, rounds: number): Promise<CallTimes> {
  const bytes = await wat(kernel(given));
  const plain = await WebAssembly.instantiate(bytes, {});
  const prepared = await prepare(bytes, { slots: 'all', engine: 'splice' });
  const patcher = new Patcher();
  const { instance } = await instantiate(prepared.bytes, {}, { patcher });
  const time = (of: WebAssembly.Instance): number[] => timeRounds(loopOf(of, given), rounds);
  const unprepared = time(plain.instance);
  const unpatched = time(instance);
  await patcher.apply(await patch(given, prepared.bytes));
  const patched = time(instance);
  await patcher.revert(undefined);
  return { unprepared, prepared: unpatched, patched, reverted: time(instance) };
}

/** The same computation, written the other way round. */
async function patch({ parameters }: Case, target: Uint8Array): Promise<Uint8Array> {
  const body = '(i32.add (i32.const 1) (i32.mul (i32.const 3) (local.get 0)))';
  const source = { kind: 'wat', text: `(module ${step(parameters, body)})`, file: 'step.wat' } as const;
  const built = await buildPatch({ target, name: 'step', replacements: [{ function: 'step', source }] });
  return built.bytes;
}

function loopOf({ exports }: WebAssembly.Instance, { from }: Case): (calls: number) => number {
  const named = (name: string): ((x: number) => number) => {
    const found = exports[name];
    if (typeof found !== 'function') throw new Error(`no function ${name}`);
    return (x) => found(x);
  };
  if (from === 'module') return named('loop');
  const call = named('step');
  return (calls) => {
    let value = 0;
    for (let i = 0; i < calls; i++) value = call(value);
    return value;
  };
}

function timeRounds(loop: (calls: number) => number, rounds: number): number[] {
  const expected = loop(callsPerRound);
  for (let i = 1; i < warmUpRounds; i++) loop(callsPerRound);
  return Array.from({ length: rounds }, () => {
    const began = threadTimeMs();
    const result = loop(callsPerRound);
    const elapsed = threadTimeMs() - began;
    if (result !== expected) throw new Error('another result');
    return (elapsed * 1e6) / callsPerRound;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [name = '', rounds] = process.argv.slice(2);
  const given = cases[name];
  if (given === undefined) throw new Error(`no case "${name}"`);
  process.stdout.write(JSON.stringify(await measure(given, Number(rounds))));
}
