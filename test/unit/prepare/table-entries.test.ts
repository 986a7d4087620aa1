// Whose slot is in the program's table: small functions that nothing else leads to, but calls that a patch can bring along.

import { expect, test } from 'vitest';
import { findTableEntries, type TableEntries } from '../../../src/prepare/table-entries.ts';
import { findUses } from '../../../src/prepare/uses.ts';
import { type FuncIndex, readFunctionNames, readModule, type WasmModule } from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

const type = '(type $method (func (result i32)))';
const functions = '(func $a (type $method) (i32.const 1)) (func $b (type $method) (i32.const 2))';

const find = (m: WasmModule): ReadonlyMap<FuncIndex, TableEntries> => findTableEntries(m, () => findUses(m));

/** Functions by name, with their entries. */
function entriesOf(declarations: string): Record<string, readonly number[]> {
  const m = readModule(wat(`(module ${type} ${declarations} ${functions})`));
  const names = readFunctionNames(m.bytes, m.sections);
  return Object.fromEntries([...find(m)].map(([f, { entries }]) => [names.get(f), entries]));
}

const table = '(table $t 8 funcref) (elem (i32.const 2) $a $b)';

test('each function with all its entries, as the segments leave them', () => {
  expect(entriesOf(table)).toEqual({ a: [2], b: [3] });
  expect(entriesOf('(table 8 funcref) (elem (i32.const 2) $b) (elem (i32.const 0) $b $a)')).toEqual({
    a: [1],
    b: [0, 2],
  });
  // The second segment overwrites a.
  expect(entriesOf('(table 8 funcref) (elem (i32.const 2) $a) (elem (i32.const 2) $b)')).toEqual({ b: [2] });
  expect(entriesOf('(table 8 funcref) (elem (i32.const 1) funcref (ref.null func) (ref.func $a))')).toEqual({
    a: [2],
  });
});

test('and whether code calls it directly', () => {
  const m = readModule(wat(`(module ${type} ${table} ${functions} (func (drop (call $b))))`));
  const found = [...find(m).values()].map(({ isCalled }) => isCalled);
  expect(found).toEqual([false, true]);
});

test.each([
  ['is exported', '(export "t" (table $t))'],
  ['is read by code', '(func (result funcref) (table.get $t (i32.const 0)))'],
  ['is written by code', '(func (table.set $t (i32.const 0) (ref.null func)))'],
  ['is filled by code', '(func (table.fill $t (i32.const 0) (ref.null func) (i32.const 1)))'],
  ['grows by code', '(func (result i32) (table.grow $t (ref.null func) (i32.const 1)))'],
  ['is copied by code', '(func (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1)))'],
  [
    'is initialised by code',
    '(elem $late func) (func (table.init $t $late (i32.const 0) (i32.const 0) (i32.const 0)))',
  ],
])('none, where the table %s', (_, more) => {
  expect(entriesOf(`${table} ${more}`)).toEqual({});
});

test.each([
  ['imported', '(import "env" "t" (table 8 funcref)) (elem (i32.const 2) $a)'],
  ['not the first', '(table 1 externref) (table $t 8 funcref) (elem (table $t) (i32.const 2) func $a)'],
  [
    'of a type that not all functions are of',
    '(table 8 (ref null $method)) (elem (i32.const 2) (ref null $method) (ref.func $a))',
  ],
  ['one with 64-bit indices', '(table i64 8 funcref) (elem (i64.const 2) $a)'],
  ['full of a function from the start', '(table 8 funcref (ref.func $b)) (elem (i32.const 2) $a)'],
  [
    'filled where only the host knows',
    '(import "env" "base" (global $base i32)) (table 8 funcref) (elem (global.get $base) $a)',
  ],
])('none, where the table is %s', (_, declarations) => {
  expect(entriesOf(declarations)).toEqual({});
});

test.each<[string, string, Record<string, readonly number[]>?]>([
  ['exported', '(export "a" (func $a))'],
  [
    'what the module starts with',
    '(elem (i32.const 5) $begin) (func $begin) (start $begin)',
    { a: [2], b: [3] },
  ],
  ['in a global', '(global funcref (ref.func $a))'],
  ['in a segment that code can use', '(elem func $a)'],
  ['referred to by code', '(func (result funcref) (ref.func $a))'],
  ['in another table', '(table $u 1 funcref) (elem (table $u) (i32.const 0) func $a)'],
  [
    'in an object, beside another function',
    `(type $pair (struct (field funcref) (field funcref)))
     (global (ref $pair) (struct.new $pair (ref.func $a) (ref.null func)))`,
  ],
])('not a function that is %s', (_, more, expected = { b: [3] }) => {
  expect(entriesOf(`${table} ${more}`)).toEqual(expected);
});
