// Two instances in one thread that share a memory: a patch's data and function addresses are the same in both, as in threads.

import { expect, test } from 'vitest';
import { story } from '../../support/story.ts';

const kernel = `(module
  (import "env" "memory" (memory 1 8 shared))
  (table (export "table") 2 funcref)
  (func (export "grow") (param i32) (result i32) (table.grow 0 (ref.null func) (local.get 0)))
  (func $where (export "where") (result i32) (i32.const 0))
  (func $next (export "next") (result i32) (i32.const 1))
  (func $pointer (export "pointer") (result i32) (i32.const 0)))`;

const withData = `(module
  (import "target" "memory" (memory 1 8 shared))
  (import "target" "table" (table 2 funcref))
  (import "patch" "memory_base" (global $base i32))
  (import "patch" "table_base" (global $first i32))
  (data (global.get $base) "\\64\\00\\00\\00")
  (elem (global.get $first) $own)
  (func $own)
  (func (export "where") (result i32) (global.get $base))
  (func (export "next") (result i32) (i32.atomic.rmw.add (global.get $base) (i32.const 1)))
  (func (export "pointer") (result i32) (global.get $first)))`;

// - tables of different length; apply: one address for the data, which is written once, and for the function
// - an instance born later has the same; one whose table is longer already is refused, and nothing of it is adopted
// - revert and apply: the same address, the data written anew
test('instances that share a memory have a patch at the same places', async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 8, shared: true });
  const app = await story(kernel, { env: { memory } });
  const second = await app.another();
  second.exports['grow'](3);
  const patch = await app.patch('data', ['where', 'next', 'pointer'], withData);
  await app.patcher.apply(patch);
  const all = [app, second, await app.another()];
  expect(all.map((i) => [i.exports['where'](), i.exports['pointer']()])).toEqual(all.map(() => [65536, 5]));
  expect(all.map((i) => i.exports['next']())).toEqual([100, 101, 102]);

  const longer = new WebAssembly.Instance(app.module, { env: { memory } });
  const grow = longer.exports['grow'];
  if (typeof grow === 'function') grow(9);
  expect(() => app.patcher.adopt(longer, app.module)).toThrow(
    'its table has 11 entries, and others have the patch from 5 on',
  );
  await app.patcher.revert();
  await app.patcher.apply(patch);
  expect(all.map((i) => [i.exports['where'](), i.exports['next']()])).toEqual([
    [65536, 100],
    [65536, 101],
    [65536, 102],
  ]);
  expect(memory.buffer.byteLength).toBe(2 * 65536);
});
