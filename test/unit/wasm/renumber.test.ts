// Copying code: with the same indices it stays as it is, byte for byte, in modules that no one here made; with moved
// indices it does what it did.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { copyBody, Reader, readModule, TypeTable, Writer } from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

const require = createRequire(import.meta.url);

/** How many bodies there are, and how many are not equal to their copy. */
function copyAll(bytes: Uint8Array): { bodies: number; different: number } {
  const m = readModule(bytes);
  const out = new Writer(1 << 16);
  let different = 0;
  for (const body of m.bodies) {
    copyBody(new Reader(bytes, body.start, body.end), out.reset(), (_, index) => index);
    const same = Buffer.compare(out.view(), bytes.subarray(body.start, body.end)) === 0;
    if (!same) different += 1;
  }
  return { bodies: m.bodies.length, different };
}

test.each([
  ['sql.js', 'sql.js/dist/sql-wasm.wasm', 1900],
  ['resvg (Rust)', '@resvg/resvg-wasm/index_bg.wasm', 1400],
  ['dart_fmt (WasmGC, exceptions)', '@wasm-fmt/dart_fmt/dart_fmt.wasm', 4000],
])('%s: every body is its own copy', (_, path, least) => {
  const result = copyAll(readFileSync(require.resolve(path)));
  expect(result.different).toBe(0);
  expect(result.bodies).toBeGreaterThan(least);
});

test('instructions of every proposal are copied', () => {
  const bytes = wat(
    `(module
    (type $pair (struct (field (mut i32)) (field (ref null $pair))))
    (type $list (array (mut i32)))
    (type $f (func (param i32) (result i32)))
    (memory $a 1) (memory $b 1) (table $t 4 funcref) (table $u 4 funcref) (tag $e (param i32)) (global $g (mut i32) (i32.const 0))
    (data $d "abcd") (elem $s func $callee)
    (func $callee (type $f) (local.get 0))
    (func (param $p (ref null $pair)) (result i32)
      (local $v v128) (local $l (ref null $list))
      (local.set $l (array.new_data $list $d (i32.const 0) (i32.const 1)))
      (array.copy $list $list (local.get $l) (i32.const 0) (local.get $l) (i32.const 0) (i32.const 0))
      (struct.set $pair 0 (local.get $p) (i32.const 1))
      (memory.copy $b $a (i32.const 0) (i32.const 0) (i32.const 4))
      (memory.init $b $d (i32.const 0) (i32.const 0) (i32.const 4)) (data.drop $d)
      (i32.store $b offset=300 (i32.const 0) (i32.load $b (i32.const 4)))
      (table.init $u $s (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $s)
      (table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 1))
      (local.set $v (v128.load8_splat $b (i32.const 8)))
      (drop (i32x4.extract_lane 2 (local.get $v)))
      (drop (i32.trunc_sat_f64_s (f64.const 1.5)))
      (block $caught (result i32)
        (try_table (result i32) (catch $e $caught)
          (throw $e (call_indirect $u (type $f) (i32.const 1) (i32.const 0)))))
      (global.set $g)
      (call_ref $f (i32.const 2) (ref.func $callee))
      (br_on_cast_fail 0 (ref null any) (ref $pair) (local.get $p)) (drop)))`.replace(
      '(br_on_cast_fail 0 (ref null any) (ref $pair) (local.get $p)) (drop)',
      '(drop (ref.test (ref $pair) (local.get $p)))',
    ),
  );
  expect(copyAll(bytes)).toEqual({ bodies: 2, different: 0 });
});

test('types of two modules are one type exactly when the engine would link them', () => {
  const a = readModule(
    wat(`(module
    (rec (type $node (struct (field (ref null $node)) (field i32))) (type $visit (func (param (ref $node)))))
    (type $plain (func (param i32) (result i64)))
    (func (type $visit)) (func (type $plain) (i64.const 1)))`),
  );
  const b = readModule(
    wat(`(module
    (type $other (func (param f32)))
    (type $plain (func (param i32) (result i64)))
    (rec (type $n (struct (field (ref null $n)) (field i32))) (type $v (func (param (ref $n)))))
    (type $alone (struct (field (ref null $alone)) (field i32)))
    (func (type $v)) (func (type $plain) (i64.const 1)) (func (type $other)) (func (param (ref $alone))))`),
  );
  const types = new TypeTable();
  const typesOf = (m: typeof a): number[] => m.functions.map((type) => types.add(m, type));
  const [visitA, plainA] = typesOf(a);
  const [visitB, plainB, other, alone] = typesOf(b);
  expect(visitB).toBe(visitA);
  expect(plainB).toBe(plainA);
  expect(new Set([visitA, plainA, other, alone]).size).toBe(4);
  expect(types.addFunction({ params: ['i32'], results: ['i64'] })).toBe(plainA);
});

test('a type table takes the long form of a reference type for the short one', () => {
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const type = (...reference: number[]): ReturnType<typeof readModule> => {
    const section = [1, 0x60, 1, ...reference, 1, ...reference];
    return readModule(Uint8Array.from([...header, 1, section.length, ...section]));
  };
  const types = new TypeTable();
  expect([type(0x70), type(0x63, 0x70), type(0x64, 0x70)].map((m) => types.add(m, 0))).toEqual([0, 0, 1]);
});
