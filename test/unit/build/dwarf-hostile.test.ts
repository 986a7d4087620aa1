// Debug information that no compiler wrote: cut off, with flipped bytes, or made to keep a reader busy for ever. It is read as
// far as it goes, or said to be unreadable; never anything else, and never for long.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type KnownSources, readDebugInfo } from '../../../src/build/dwarf/index.ts';
import { readModule, type Section, type WasmModule, Writer } from '../../../src/wasm/index.ts';
import {
  compileDebug,
  cPlusPlus,
  cPlusPlusFlags,
  everyClass,
  everyMember,
} from '../../support/debug-builds.ts';

/** Asks everything that there is to ask. */
function askAll(module: WasmModule): KnownSources {
  const known = readDebugInfo(module);
  known.structLayouts();
  for (let i = 0; i < module.functions.length; i += 1) known.sourceOf(i);
  return known;
}

const damaged = [
  ['C, DWARF 4', (): Promise<Uint8Array> => compileDebug(everyMember, ['-gdwarf-4'])],
  ['C, DWARF 5', (): Promise<Uint8Array> => compileDebug(everyMember, ['-gdwarf-5'])],
  ['C++', (): Promise<Uint8Array> => compileDebug(everyClass, cPlusPlusFlags, cPlusPlus)],
  ['line tables', (): Promise<Uint8Array> => compileDebug(everyMember, ['-gline-tables-only', '-gdwarf-5'])],
] as const;

describe.each(damaged)('%s', (_, compile) => {
  let module: WasmModule;
  let debug: readonly Section[];
  beforeAll(async () => {
    module = readModule(await compile());
    debug = module.sections.filter((s) => s.name.startsWith('.debug_'));
  });

  test('cut off anywhere in any section', () => {
    const states = new Set<string>();
    for (const section of debug) {
      for (let end = section.payload; end < section.end; end += 1) {
        const sections = module.sections.map((s) => (s === section ? { ...s, end } : s));
        states.add(askAll({ ...module, sections }).state);
      }
    }
    expect(states).toContain('unreadable');
  });

  test('with bytes flipped', () => {
    const flip = fc.tuple(fc.nat(), fc.nat({ max: debug.length - 1 }), fc.integer({ min: 1, max: 255 }));
    const property = fc.property(fc.array(flip, { minLength: 1, maxLength: 4 }), (flips) => {
      const bytes = new Uint8Array(module.bytes);
      for (const [at, which, bits] of flips) {
        const { payload, end } = debug[which] ?? { payload: 0, end: 1 };
        const place = payload + (at % (end - payload));
        bytes[place] = (bytes[place] ?? 0) ^ bits;
      }
      const began = performance.now();
      askAll({ ...module, bytes });
      expect(performance.now() - began).toBeLessThan(1000);
    });
    fc.assert(property, { numRuns: 2000, seed: 7 });
  });
});

/** Numbers of tags, attributes and forms as the standard has them. */
const [unit, struct, member, typedef, pointer] = [0x11, 0x13, 0x0d, 0x16, 0x0f];
const [name, byteSize, location, type] = [0x03, 0x0b, 0x38, 0x49];
const [data1, text, textAt, reference] = [0x0b, 0x08, 0x0e, 0x13];
const codes = {
  unit: 1,
  nameless: 2,
  named: 3,
  namelessMember: 4,
  member: 5,
  typedef: 6,
  pointer: 7,
} as const;

const abbreviations = new Writer()
  .raw([codes.unit, unit, 1, 0, 0])
  .raw([codes.nameless, struct, 1, byteSize, data1, 0, 0])
  .raw([codes.named, struct, 1, name, text, byteSize, data1, 0, 0])
  .raw([codes.namelessMember, member, 0, type, reference, location, data1, 0, 0])
  .raw([codes.member, member, 0, name, textAt, location, data1, 0, 0])
  .raw([codes.typedef, typedef, 0, name, text, type, reference, 0, 0])
  .raw([codes.pointer, pointer, 0, type, reference, 0, 0])
  .u8(0)
  .toBytes();

const int32 = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** A unit of DWARF 4; its first entry stands at 11. */
function unitOf(entries: ArrayLike<number>, table = 0): Uint8Array {
  return new Writer()
    .raw(int32(entries.length + 7))
    .raw([4, 0, ...int32(table), 4])
    .raw(entries)
    .toBytes();
}

function moduleOf(sections: Readonly<Record<string, ArrayLike<number>>>): WasmModule {
  const w = new Writer().raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  for (const [section, payload] of Object.entries({ '.debug_abbrev': abbreviations, ...sections }))
    w.custom(section, payload);
  return readModule(w.toBytes());
}

function read(
  entries: ArrayLike<number>,
  more: Readonly<Record<string, ArrayLike<number>>> = {},
): KnownSources {
  return askAll(moduleOf({ '.debug_info': unitOf(entries), ...more }));
}

const a = [0x61, 0];

describe('is not read for ever:', () => {
  test('types that refer to themselves', () => {
    // A struct at 12 with members of its own type, of a typedef of itself at 35, and of a pointer to itself at 42.
    const entries = [
      ...[codes.unit, codes.named, ...a, 4],
      ...[codes.namelessMember, ...int32(12), 0, codes.namelessMember, ...int32(35), 0],
      ...[codes.namelessMember, ...int32(42), 0, 0],
      ...[codes.typedef, ...a, ...int32(35), codes.pointer, ...int32(42), 0],
    ];
    const { state } = read(entries);
    expect(state).toBe('there');
  });

  test('nameless structs that contain themselves, many times over', () => {
    // The struct "a" at 12 has one nameless member; that one's struct, at 23, has 50 of its own type.
    const inner = [
      codes.nameless,
      4,
      ...Array.from({ length: 50 }, () => [codes.namelessMember, ...int32(23), 0]).flat(),
      0,
    ];
    const entries = [codes.unit, codes.named, ...a, 4, codes.namelessMember, ...int32(23), 0, 0, ...inner, 0];
    const known = read(entries);
    expect([known.state, known.reason]).toEqual([
      'unreadable',
      expect.stringContaining('debug information refers to the same bytes over and over'),
    ]);
  });

  test('entries that nest 100 000 deep', () => {
    const known = read([codes.unit, ...Array.from({ length: 100_000 }, () => [codes.named, ...a, 4]).flat()]);
    expect(known.reason).toContain('entries nest too deep');
  });

  test('names that are all tails of one text', () => {
    const members = Array.from({ length: 60_000 }, (_, i) => [codes.member, ...int32(i), 0]).flat();
    const long = new Uint8Array(64_000).fill(0x61).fill(0, -1);
    const known = read([codes.unit, codes.named, ...a, 4, ...members, 0, 0], { '.debug_str': long });
    expect(known.reason).toContain('over and over');
  });

  test('units that all have tables of their own in one large one', () => {
    const large = new Writer();
    for (let i = 0; i < 20_000; i += 1) large.raw([codes.unit, unit, 1, 0, 0]);
    const info = new Writer();
    for (let i = 0; i < 20_000; i += 1) info.raw(unitOf([codes.unit, 0], 5 * i));
    const known = askAll(moduleOf({ '.debug_abbrev': large.u8(0).toBytes(), '.debug_info': info.toBytes() }));
    expect(known.reason).toContain('over and over');
  });
}, 10_000);

test.each([
  [
    'a unit longer than the section',
    [...int32(99), 4, 0],
    'a unit of debug information is longer than its section',
  ],
  ['the 64-bit format', int32(0xffffffff), 'debug information in the 64-bit format is not read'],
  [
    'a version to come',
    [...int32(7), 6, 0, 1, 4, ...int32(0)],
    'debug information of DWARF version 6 is not read',
  ],
  ['an address size of 3', [...int32(8), 4, 0, ...int32(0), 3, 0], 'addresses of 3 bytes'],
  ['an unknown abbreviation', unitOf([99]), 'unknown abbreviation 99 in the debug information'],
  [
    'a text without an end',
    unitOf([codes.unit, codes.named, 0x61, 0x61]),
    'a text in the debug information has no end',
  ],
])('%s is unreadable', (_, info, reason) => {
  const known = askAll(moduleOf({ '.debug_info': info }));
  expect({ state: known.state, reason: known.reason?.replace(/ \(at .*/, '') }).toEqual({
    state: 'unreadable',
    reason,
  });
});
