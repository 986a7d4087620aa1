// The walk over instructions: every encoding there is, once; what an engine calls an instruction, we do too.

import { describe, expect, test } from 'vitest';
import { bodyReader, op, Reader, readModule, walk } from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

interface Seen {
  readonly opcode: number;
  readonly index: number;
  readonly length: number;
}

function seen(bytes: readonly number[]): Seen[] {
  const found: Seen[] = [];
  walk(new Reader(new Uint8Array(bytes)), (i) =>
    found.push({ opcode: i.opcode, index: i.index, length: i.next - i.at }),
  );
  return found;
}

describe('one instruction', () => {
  test.each([
    ['block, empty', [0x02, 0x40], -1],
    ['block of a value', [0x02, 0x7f], -1],
    ['block of a type', [0x02, 0x85, 0x01], -1],
    ['block of a typed reference', [0x03, 0x63, 0x05], -1],
    ['br_table', [0x0e, 2, 1, 0, 3], -1],
    ['call, padded', [0x10, 0x85, 0x80, 0x80, 0x80, 0x00], 5],
    ['call_indirect', [0x11, 3, 1], 3],
    ['return_call', [0x12, 4], 4],
    ['call_ref', [0x14, 2], 2],
    ['select of types', [0x1c, 1, 0x63, 0x05], -1],
    ['try_table', [0x1f, 0x40, 2, 0, 5, 1, 2, 0], -1],
    ['load', [0x28, 2, 0x80, 0x01], -1],
    ['load of another memory', [0x28, 0x42, 1, 0], -1],
    ['load, 64-bit offset', [0x28, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], -1],
    ['i32.const', [0x41, 0x80, 0x80, 0x80, 0x80, 0x78], -1],
    ['i64.const', [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], -1],
    ['f32.const', [0x43, 1, 2, 3, 4], -1],
    ['f64.const', [0x44, 1, 2, 3, 4, 5, 6, 7, 8], -1],
    ['ref.null of an index', [0xd0, 0x85, 0x01], -1],
    ['ref.func', [0xd2, 7], 7],
    ['struct.get', [0xfb, 2, 3, 1], 3],
    ['br_on_cast', [0xfb, 24, 3, 0, 0x70, 0x05], -1],
    ['memory.init', [0xfc, 8, 3, 0], 3],
    ['memory.copy', [0xfc, 10, 1, 0], 1],
    ['wide add', [0xfc, 19], -1],
    ['v128.const', [0xfd, 12, ...Array(16).fill(9)], -1],
    ['load lane', [0xfd, 84, 0, 0, 3], -1],
    ['relaxed', [0xfd, 0x80, 0x02], -1],
    ['atomic load', [0xfe, 0x10, 2, 0], -1],
    ['fence', [0xfe, 3, 0], -1],
  ])('%s', (_, bytes, index) => {
    const [only] = seen(bytes);
    expect(seen([...bytes, 0x0b])).toEqual([only, { opcode: op.end, index: -1, length: 1 }]);
    expect(only).toMatchObject({ index, length: bytes.length });
  });

  test.each([
    ['an unknown opcode', [0x27]],
    ['an unknown number behind each prefix', [0xfb, 31]],
    ['misc', [0xfc, 23]],
    ['simd', [0xfd, 0x94, 0x02]],
    ['atomic', [0xfe, 4]],
    ['a branch table without backing', [0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['an unknown catch clause', [0x1f, 0x40, 1, 4, 0, 0]],
    ['an immediate beyond the end', [0x43, 1, 2]],
    ['an offset beyond 64 bits', [0x28, 0, ...Array(9).fill(0x80), 0x02]],
  ])('%s is malformed', (_, bytes) => {
    expect(() => seen(bytes)).toThrow(expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }));
  });
});

test('a body is walked to its final end, calls and their places included', () => {
  const bytes = wat(`(module (import "e" "f" (func $f)) (table 1 funcref)
    (func (local i32) (call $f) (if (local.get 0) (then (call $f)))
      (call_indirect (i32.const 0)) (return_call $f)))`);
  const m = readModule(bytes);
  const [body] = m.bodies;
  if (body === undefined) throw new Error('no body');
  const walked: string[] = [];
  let next = 0;
  walk(bodyReader(bytes, body), (i) => {
    if (next !== 0) expect(i.at).toBe(next);
    next = i.next;
    walked.push(i.index < 0 ? i.opcode.toString(16) : `${i.opcode.toString(16)}:${i.index}`);
  });
  expect(walked).toEqual(['10:0', '20:0', '4', '10:0', 'b', '41', '11:0', '12:0', 'b']);
  expect(next).toBe(body.end);
});
