// The name section: names by index, names that move with their functions, and damage that must not matter.

import { describe, expect, test } from 'vitest';
import {
  moveFunctionNames,
  readFunctionNames,
  readGlobalNames,
  readSections,
  Writer,
} from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

const bytes = wat(`(module $m (import "e" "zero" (func $zero)) (global $g (mut i32) (i32.const 0))
  (func $one (param $x i32) (local $y i32)) (func $two (param $z i64)))`);
const sections = readSections(bytes);

function withNames(payload: Uint8Array | number[]): Uint8Array {
  return new Writer().raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]).custom('name', payload).toBytes();
}

test('functions and globals are read by index', () => {
  expect([...readFunctionNames(bytes, sections)]).toEqual([
    [0, 'zero'],
    [1, 'one'],
    [2, 'two'],
  ]);
  expect([...readGlobalNames(bytes, sections)]).toEqual([[0, 'g']]);
});

test('when a function goes, the others keep their names and those of their locals', () => {
  const own = sections.find((s) => s.name === 'name');
  const payload = bytes.subarray(own?.payload, own?.end);
  const moved = moveFunctionNames(payload, {
    move: (i) => (i === 0 ? undefined : i - 1),
    added: new Map([[9, 'added']]),
  });
  const after = withNames(moved);
  expect([...readFunctionNames(after, readSections(after))]).toEqual([
    [0, 'one'],
    [1, 'two'],
    [9, 'added'],
  ]);
  expect([...readGlobalNames(after, readSections(after))]).toEqual([[0, 'g']]);
  const same = moveFunctionNames(moved, { move: (i) => i });
  expect(same).toEqual(moved);
});

describe('a damaged section', () => {
  test('gives the names before the damage', () => {
    const good = new Writer().u32(2).u32(3).name('three').u32(4).u32(99);
    const after = withNames(new Writer().section(1, good.view()).toBytes());
    expect([...readFunctionNames(after, readSections(after))]).toEqual([[3, 'three']]);
  });

  test('is refused where it has to be rewritten', () => {
    expect(() => moveFunctionNames(new Uint8Array([1, 3, 0xff, 0xff, 0x7f]), { move: (i) => i })).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});
