// The slot map is read as it was written; another version, and anything that is no slot map, is refused.

import { describe, expect, test } from 'vitest';
import { WgraftError } from '../../../src/errors.ts';
import { readSlotMap, type SlotMap, type SlotMapFunction, writeSlotMap } from '../../../src/patch/index.ts';

const fn = (index: number, more: Partial<SlotMapFunction> = {}): SlotMapFunction => ({
  index,
  original: index + 1,
  name: `f${index}`,
  type: '(i32) -> i32',
  slot: undefined,
  tableEntries: [],
  reason: 'leaf',
  hash: new Uint8Array(32).fill(index),
  ...more,
});

const slotted = (slot: number): Partial<SlotMapFunction> => ({ slot, reason: undefined });

const map: SlotMap = {
  tool: 'wgraft 0.0.0',
  engine: 'splice',
  policy: 'all',
  fentry: '__fentry__',
  original: 'ab'.repeat(32),
  originalBuildId: 'cd',
  hash: 'plain',
  tryBlocks: false,
  functions: [
    fn(2, slotted(0)),
    fn(3),
    fn(4, { ...slotted(2), tableEntries: [1, 300] }),
    fn(5, { ...slotted(1), name: undefined, type: '() -> ()' }),
  ],
};

/** The code with which a payload is refused. */
function refusal(payload: Uint8Array): string {
  try {
    readSlotMap(payload);
  } catch (error) {
    if (WgraftError.is(error)) return error.code;
    throw error;
  }
  return 'none';
}

test('what is written is read back', () => {
  expect(readSlotMap(writeSlotMap(map))).toEqual(map);
  const { fentry: _, originalBuildId: __, ...bare } = map;
  expect(readSlotMap(writeSlotMap({ ...bare, functions: [] }))).toEqual({ ...bare, functions: [] });
});

describe('refused', () => {
  test('another version, with both versions and what to do', () => {
    const later = writeSlotMap(map);
    later[0] = 4;
    expect(() => readSlotMap(later)).toThrow(
      expect.objectContaining({
        code: 'WGRAFT_ERR_SLOT_MAP_VERSION',
        message: 'the slot map has version 4, this wgraft reads version 3',
        hint: 'prepare the module again with this version of wgraft',
        details: { found: 4, known: 3 },
      }),
    );
  });

  test('cut at every byte, or longer than it says', () => {
    const payload = writeSlotMap(map);
    for (let length = 0; length < payload.length; length += 1)
      expect([length, refusal(payload.subarray(0, length))]).toEqual([length, 'WGRAFT_ERR_WASM_MALFORMED']);
    expect(refusal(Uint8Array.of(...payload, 0))).toBe('WGRAFT_ERR_WASM_MALFORMED');
  });

  test.each<[string, Partial<SlotMap>]>([
    ['a function is left out', { functions: [fn(2), fn(4)] }],
    ['a slot is left out', { functions: [fn(2, slotted(0)), fn(3, slotted(2))] }],
    [
      'a slot in the table before a guard',
      { functions: [fn(2, { ...slotted(0), tableEntries: [0] }), fn(3, slotted(1))] },
    ],
    ['table entries without a slot', { functions: [fn(2, { tableEntries: [0] })] }],
    ['one slot twice', { functions: [fn(2, slotted(0)), fn(3, slotted(0))] }],
    ['an unknown engine', { engine: 'other' as SlotMap['engine'] }],
    ['an unknown policy', { policy: 'other' as SlotMap['policy'] }],
    ['a fact that is missing', { tryBlocks: undefined as unknown as boolean }],
  ])('%s', (_, change) => {
    expect(refusal(writeSlotMap({ ...map, ...change }))).toBe('WGRAFT_ERR_WASM_MALFORMED');
  });
});
