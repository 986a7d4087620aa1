// A guard stands around a body: what it does to labels, results and everything else that a body says about its own end.

import { beforeAll, describe, expect, test } from 'vitest';
import wabt from 'wabt';
import { buildPatch } from '../../../src/build/index.ts';
import { instantiate, Patcher } from '../../../src/index.ts';
import { findSlotMap } from '../../../src/patch/index.ts';
import { guardedCode, prepare } from '../../../src/prepare/index.ts';
import { bodyReader, op, Reader, readModule, skipLocals, type WasmModule } from '../../../src/wasm/index.ts';
import { type Exports, kernels } from '../../support/kernels.ts';
import { slotted } from '../../support/slots.ts';
import { wat } from '../../support/wat.ts';
import { wrapped } from '../../support/wrapper.ts';

/** Label 0 outside of all blocks is the body itself; binaryen would write blocks instead. */
const labels = `(module
  (tag $t (param i32))
  (func $none (export "none") (param i32) (block (br_if 1 (local.get 0))) (throw $t (i32.const 5)))
  (func $one (export "one") (param i32) (result i32)
    (i32.add (i32.const 1)
      (block (result i32)
        (i32.add (i32.const 100) (block (result i32) (br_table 0 1 2 (i32.const 20) (local.get 0)))))))
  (func $two (export "two") (param i32) (result i32 i64)
    (i32.const 1) (i64.const 2) (br_if 0 (local.get 0)) (drop) (drop) (i32.const 3) (i64.const 4))
  (func $more (export "more") (param i64 i32) (result i32 i64)
    (block (result i32 i64) (call $two (local.get 1)) (if (i64.eqz (local.get 0)) (then (br 2 (i32.const 6) (i64.const 7))))))
  (func $three (export "three") (result i32 i64 f64) (return (i32.const 1) (i64.const 2) (f64.const 3)))
  (func $through (export "through") (param i32) (result i32)
    (try (result i32) (do (call $none (local.get 0)) (i32.const 8)) (delegate 0)))
  (func $catch (export "catch") (param i32) (result i32)
    (try (result i32) (do (call $through (local.get 0))) (catch $t)))
  (func $never (export "never") (param i32) (result i32) (loop (br_if 0 (i32.eqz (local.get 0)))) (br 0 (i32.const 9)) (unreachable)))`;

const answers = (x: Exports): unknown => [
  x['none'](1),
  [0, 1, 2, 9].map((n) => x['one'](n)),
  [0, 1].map((n) => String(x['two'](n))),
  [0n, 1n].map((n) => String(x['more'](n, 0))),
  String(x['three']()),
  [0, 1].map((n) => x['catch'](n)),
  x['never'](1),
];

const expected = [undefined, [121, 21, 20, 20], ['3,4', '1,2'], ['6,7', '3,4'], '1,2,3', [5, 8], 9];

describe('a body that leaves by the label of the body itself', () => {
  let kernel: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    const { parseWat } = await wabt();
    const parsed = parseWat('labels.wat', labels, { exceptions: true, multi_value: true });
    kernel = parsed.toBinary({}).buffer as Uint8Array<ArrayBuffer>;
  });

  test.each(['splice', 'binaryen'] as const)('does the same behind a guard: %s', async (engine) => {
    const { bytes, report } = await prepare(kernel, { slots: 'all', engine });
    expect(report.slots).toBe(report.functions);
    const old = await slotted(bytes);
    const other = await slotted(bytes);
    expect(answers(old.exports)).toEqual(expected);
    for (const f of old.map.functions) old.redirect(f.index, other.take(f.index));
    expect(answers(old.exports)).toEqual(expected);
  });

  // - a patch wraps each function, and so has a copy of each
  // - binaryen lets delegate go past the guard, which a copy does not have
  test.each(['splice', 'binaryen'] as const)(
    'does the same as a copy without the guard: %s',
    async (engine) => {
      const { bytes } = await prepare(kernel, { slots: 'all', engine });
      const replacements = (findSlotMap(bytes)?.functions ?? []).map(wrapped);
      const { bytes: patch } = await buildPatch({ target: bytes, replacements, name: 'copies' });
      const patcher = new Patcher();
      const { instance } = await instantiate(bytes, {}, { name: 'app', patcher });
      await patcher.apply(patch);
      expect(patcher.statusNow().programs[0]?.patches).toMatchObject([{ state: 'applied' }]);
      expect(answers(instance.exports)).toEqual(expected);
    },
  );

  test('shares the type of several results with all that have the same', async () => {
    const [before, after] = [kernel, (await prepare(kernel, { slots: 'all' })).bytes].map((b) =>
      readModule(b),
    );
    const added = after?.types.slice(before?.types.length);
    expect(added?.map((t) => t.kind === 'func' && [t.params.join(), t.results.join()])).toEqual([
      ['i32,i32', ''],
      ['', 'i32,i64'],
      ['', 'i32,i64,f64'],
    ]);
  });
});

describe('the code behind a guard is found again as it was', () => {
  const withMemory = (m: WasmModule): boolean => m.memories.length > m.imported.memory;
  const cases = kernels.map(({ name, text }) => ({ name, kernel: wat(text) }));
  const forThreads = cases.filter(({ kernel }) => !withMemory(readModule(kernel)));

  test.each(cases)('$name', ({ kernel }) => expectFound(kernel, false));

  test.each(forThreads)('with the attention word: $name', ({ kernel }) => expectFound(kernel, true));
});

test('a guard that is cut anywhere, or none, is refused', async () => {
  const { bytes } = await prepare(wat('(module (func (param i32) (block $b (br $b))))'), { slots: 'all' });
  const { start, end } = readModule(bytes).bodies[0] ?? { start: 0, end: 0 };
  const body = bytes.subarray(start + 1, end);
  const otherwise = body.indexOf(op.else);
  expect([...guardedCode(new Reader(body))]).toEqual([op.block, 0x40, op.br, 0, op.end]);
  const malformed = expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' });
  for (let cut = 0; cut <= otherwise; cut += 1)
    expect(() => guardedCode(new Reader(body.subarray(0, cut)))).toThrow(malformed);
  expect(() => guardedCode(new Reader(Uint8Array.of(op.nop, op.end)))).toThrow(malformed);
});

async function expectFound(kernel: Uint8Array, attention: boolean): Promise<void> {
  const { bytes } = await prepare(kernel, { slots: 'all', attention });
  const [old, now] = [readModule(kernel), readModule(bytes)];
  const functions = findSlotMap(bytes)?.functions ?? [];
  for (const { index, original } of functions) {
    const was = old.bodies[original - old.imported.func] ?? { start: 0, end: 0 };
    const is = now.bodies[index - now.imported.func] ?? { start: 0, end: 0 };
    const code = kernel.subarray(skipLocals(kernel, was), was.end - 1);
    expect(Buffer.compare(guardedCode(bodyReader(bytes, is)), code)).toBe(0);
  }
  expect(functions.length).toBeGreaterThan(0);
}
