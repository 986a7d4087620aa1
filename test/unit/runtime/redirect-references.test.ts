// Values of every kind of reference, garbage-collected ones and caught exceptions too, as arguments and results of a redirect.

import { expect, test } from 'vitest';
import { story } from '../../support/story.ts';

const types = `
  (type $point (struct (field $x (mut i32))))
  (type $row (array (mut i64)))
  (type $get (func (result i32)))`;

/** A type, how to make the value that means N, and how to get N back. */
type Reference = readonly [type: string, make: (n: 1 | 2) => string, take: (value: string) => string];

const references: readonly Reference[] = [
  ['funcref', (n) => `(ref.func $n${n})`, (v) => `(call_ref $get (ref.cast (ref $get) ${v}))`],
  ['(ref $get)', (n) => `(ref.func $n${n})`, (v) => `(call_ref $get ${v})`],
  ['(ref null $point)', (n) => `(struct.new $point (i32.const ${n}))`, (v) => `(struct.get $point $x ${v})`],
  [
    'structref',
    (n) => `(struct.new $point (i32.const ${n}))`,
    (v) => `(struct.get $point $x (ref.cast (ref $point) ${v}))`,
  ],
  ['(ref $row)', (n) => `(array.new $row (i64.const 0) (i32.const ${n}))`, (v) => `(array.len ${v})`],
  ['arrayref', (n) => `(array.new $row (i64.const 0) (i32.const ${n}))`, (v) => `(array.len ${v})`],
  ['i31ref', (n) => `(ref.i31 (i32.const ${n}))`, (v) => `(i31.get_s ${v})`],
  ['eqref', (n) => `(ref.i31 (i32.const ${n}))`, (v) => `(i31.get_s (ref.cast (ref i31) ${v}))`],
  ['anyref', (n) => `(ref.i31 (i32.const ${n}))`, (v) => `(i31.get_s (ref.cast (ref i31) ${v}))`],
  [
    'externref',
    (n) => `(extern.convert_any (ref.i31 (i32.const ${n})))`,
    (v) => `(i31.get_s (ref.cast (ref i31) (any.convert_extern ${v})))`,
  ],
  ['exnref', (n) => `(call $caught (i32.const ${n}))`, (v) => `(call $number ${v})`],
];

const picks = references.map((_, i) => `pick${i}`);

const kernel = `(module ${types}
  (tag $numbered (param i32))
  (elem declare func $n1 $n2)
  (func $n1 (type $get) (i32.const 1))
  (func $n2 (type $get) (i32.const 2))
  (func $caught (param i32) (result exnref)
    (block $handler (result exnref)
      (try_table (catch_all_ref $handler) (throw $numbered (local.get 0)))
      (unreachable)))
  (func $number (param exnref) (result i32)
    (block $handler (result i32)
      (try_table (catch $numbered $handler) (throw_ref (local.get 0)))
      (unreachable)))
  ${references.map(pick).join('\n')})`;

function pick([type, make, take]: Reference, i: number): string {
  return `
    (func $pick${i} (param ${type} ${type}) (result ${type}) (local.get 0))
    (func (export "picked${i}") (result i32) ${take(`(call $pick${i} ${make(1)} ${make(2)})`)})`;
}

const second = `(module ${types} ${references
  .map(([type], i) => `(func (export "pick${i}") (param ${type} ${type}) (result ${type}) (local.get 1))`)
  .join('\n')})`;

// - each function gets two references of its type and gives the first one back
// - the patch gives back the second
test('references of every type go through a redirect and come back', async () => {
  const app = await story(kernel);
  const picked = (): unknown[] => references.map(([type], i) => [type, app.exports[`picked${i}`]()]);
  const all = (n: number): unknown[] => references.map(([type]) => [type, n]);
  expect(picked()).toEqual(all(1));
  await app.patcher.apply(await app.patch('second', picks, second));
  expect(picked()).toEqual(all(2));
  await app.patcher.revert();
  expect(picked()).toEqual(all(1));
});
