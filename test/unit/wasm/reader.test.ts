// The cursor under everything else: LEB128 to the last bit, names to the last byte, lengths that nothing backs.

import { describe, expect, test } from 'vitest';
import { Reader, Writer } from '../../../src/wasm/index.ts';

const at = (...bytes: number[]): Reader => new Reader(new Uint8Array(bytes));
const malformed = (message: string, offset: number): object =>
  expect.objectContaining({
    code: 'WGRAFT_ERR_WASM_MALFORMED',
    message: expect.stringContaining(message),
    details: expect.objectContaining({ offset }),
  });

describe('integers', () => {
  test.each([
    ['u32', [0], 0],
    ['u32', [0xff, 0xff, 0xff, 0xff, 0x0f], 0xffff_ffff],
    ['u32', [0x80, 0x80, 0x80, 0x80, 0x08], 0x8000_0000],
    ['u32', [0x83, 0x80, 0x80, 0x80, 0x00], 3],
    ['s32', [0x7f], -1],
    ['s32', [0xff, 0xff, 0xff, 0xff, 0x07], 0x7fff_ffff],
    ['s32', [0x80, 0x80, 0x80, 0x80, 0x78], -0x8000_0000],
    ['s32', [0xff, 0xff, 0xff, 0xff, 0x7f], -1],
    ['s33', [0x40], -64],
    ['s33', [0xff, 0xff, 0xff, 0xff, 0x0f], 0xffff_ffff],
    ['s33', [0x80, 0x80, 0x80, 0x80, 0x70], -0x1_0000_0000],
    ['u64', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 0xffff_ffff_ffff_ffffn],
    ['s64', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], -1n],
    ['s64', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], -0x8000_0000_0000_0000n],
    ['s64', [0xc0, 0xbb, 0x78], -123456n],
  ] as const)('%s of %j is %s', (kind, bytes, value) => {
    const r = at(...bytes);
    expect(r[kind]()).toBe(value);
    expect(r.done).toBe(true);
  });

  const nine = Array(9).fill(0x80);
  test.each([
    ['u32', [0xff, 0xff, 0xff, 0xff, 0x1f], 'does not fit 32 bits', 0],
    ['u32', [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 'does not fit 32 bits', 0],
    ['s32', [0xff, 0xff, 0xff, 0xff, 0x0f], 'does not fit 32 bits', 0],
    ['s33', [0xff, 0xff, 0xff, 0xff, 0x1f], 'does not fit 33 bits', 0],
    ['s33', [0x80, 0x80, 0x80, 0x80, 0x80], 'does not fit 33 bits', 0],
    ['u64', [...nine, 0x02], 'does not fit 64 bits', 0],
    ['s64', [...nine, 0x01], 'does not fit 64 bits', 0],
    ['u64', [...nine, 0x80, 0x00], 'does not fit 64 bits', 0],
    ['u32', [0x80, 0x80], 'unexpected end', 2],
    ['s64', [0x80], 'unexpected end', 1],
  ] as const)('%s of %j is malformed', (kind, bytes, message, offset) => {
    expect(() => at(...bytes)[kind]()).toThrow(malformed(message, offset));
  });

  test('skip64 passes over exactly what u64 and s64 read', () => {
    for (const bytes of [[5], [0x80, 1], [...nine, 0x01]]) {
      const r = at(...bytes, 0xaa);
      r.skip64(false);
      expect(r.u8()).toBe(0xaa);
    }
    expect(() => at(...nine, 0x01).skip64(true)).toThrow(malformed('does not fit 64 bits', 0));
  });
});

describe('names', () => {
  test.each(['', 'main', 'é漢\u{1f600}', '\ufeffwith a byte order mark', 'a\0b'])('%j comes back', (name) => {
    expect(new Reader(new Writer().name(name).toBytes()).name()).toBe(name);
  });

  test.each([
    ['an overlong form', [2, 0xc0, 0x80], 'not UTF-8'],
    ['half a surrogate pair', [3, 0xed, 0xa0, 0x80], 'not UTF-8'],
    ['a length beyond the end', [9, 0x61], 'do not fit the 1 bytes left'],
  ])('%s is malformed', (_, bytes, message) => {
    expect(() => at(...bytes).name()).toThrow(malformed(message, 0));
  });
});

describe('ranges', () => {
  test('no reader leaves its range', () => {
    const r = new Reader(new Uint8Array([1, 2, 3, 4]), 1, 3);
    const inner = r.sub(2, 'part');
    expect([inner.u8(), inner.u8(), r.done]).toEqual([2, 3, true]);
    expect(() => inner.u8()).toThrow(malformed('unexpected end', 3));
    expect(() => r.take(1, 'more')).toThrow(malformed('more: 1 bytes wanted, 0 left', 3));
  });

  test('a length that nothing backs is refused before anything is read or made', () => {
    let read = 0;
    const r = at(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3);
    const visit = (): number => {
      read += 1;
      return r.u8();
    };
    expect(() => r.vector('things', visit)).toThrow(malformed('things: 4294967295 of them', 0));
    expect(() => at(3, 1, 2, 3, 4, 5).vector('pairs', () => 0, 2)).toThrow(malformed('pairs: 3 of them', 0));
    expect(() => at(3, 1, 2, 3).count('few', 1, 2)).toThrow(malformed('few: 3 of them, engines take 2', 0));
    expect(read).toBe(0);
  });

  test('what must be read to its end says how much is left', () => {
    expect(() => at(1, 2).finish('part')).toThrow(malformed('part: 2 bytes too many', 0));
  });
});
