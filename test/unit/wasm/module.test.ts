// What a module declares, and how modules that declare nonsense are turned away.

import { describe, expect, test } from 'vitest';
import {
  funcType,
  readFunctionNames,
  readModule,
  readSections,
  sectionIds,
  showFuncType,
  skipLocals,
  Writer,
} from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

const malformed = (message: string | RegExp): object =>
  expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED', message: expect.stringMatching(message) });
const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const module = (...sections: (readonly [id: number, payload: readonly number[]])[]): Uint8Array => {
  const out = new Writer().raw(header);
  for (const [id, payload] of sections) out.section(id, payload);
  return out.toBytes();
};
const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];

const rich = wat(`(module
  (type $pair (func (param i32 i64) (result f32)))
  (import "env" "f" (func $f (type $pair)))
  (import "env" "g" (global $g (mut i32)))
  (import "env" "m" (memory 1 2))
  (tag $t (param i32))
  (global $own i64 (i64.const -1))
  (table $table 2 8 funcref)
  (elem (table $table) (i32.const 1) func $f)
  (elem $lazy funcref (ref.null func) (ref.func $body))
  (data (i32.const 16) "hello") (data $late "bye")
  (export "body" (func $body)) (export "own" (global $own))
  (start $begin)
  (func $begin)
  (func $body (param f64) (result f64) (local i32 i32) (memory.init $late (i32.const 0) (i32.const 0) (i32.const 1))
    (table.init $table $lazy (i32.const 0) (i32.const 0) (i32.const 1)) (throw $t (i32.const 1))))`);

describe('a rich module', () => {
  const m = readModule(rich);
  const text = (range: { start: number; end: number } | undefined): number[] =>
    range ? [...rich.subarray(range.start, range.end)] : [];

  test('is read as it was written', () => {
    const names = readFunctionNames(rich, m.sections);
    expect({
      functions: m.functions.map((_, i) => `${names.get(i)} ${showFuncType(funcType(m, i))}`),
      imports: m.imports.map((i) => `${i.module}.${i.name} ${i.kind}`),
      imported: m.imported,
      tables: m.tables.map((t) => [t.element, t.limits.min, t.limits.max]),
      memories: m.memories.map((l) => [l.min, l.max]),
      globals: m.globals.map((g) => [g.type, g.mutable, text(g.init)]),
      tags: m.tags.length,
      exports: m.exports,
      start: m.start,
      elements: m.elements.map((e) => [e.mode, e.expressions, e.functions]),
      data: m.data.map((d) => [d.mode, String.fromCharCode(...text(d.content)), text(d.offset)]),
    }).toEqual({
      functions: ['f (i32, i64) -> f32', 'begin () -> ()', 'body (f64) -> f64'],
      imports: ['env.m memory', 'env.g global', 'env.f func'],
      imported: { func: 1, table: 0, memory: 1, global: 1, tag: 0 },
      tables: [['funcref', 2n, 8n]],
      memories: [[1n, 2n]],
      globals: [
        ['i32', true, []],
        ['i64', false, [0x42, 0x7f, 0x0b]],
      ],
      tags: 1,
      exports: [
        { name: 'body', kind: 'func', index: 2 },
        { name: 'own', kind: 'global', index: 1 },
      ],
      start: 1,
      elements: [
        ['active', false, [0]],
        ['passive', true, [undefined, 2]],
      ],
      data: [
        ['active', 'hello', [0x41, 0x10, 0x0b]],
        ['passive', 'bye', []],
      ],
    });
  });

  test('its bodies stand where the code section says', () => {
    const code = m.sections.find((s) => s.id === sectionIds.code);
    expect(m.bodies.map((b) => rich[b.end - 1])).toEqual([0x0b, 0x0b]);
    expect(m.bodies.at(-1)?.end).toBe(code?.end);
    expect(m.bodies.map((b) => skipLocals(rich, b) - b.start)).toEqual([1, 3]);
  });
});

describe('is not a module', () => {
  test.each([
    ['too short', [0, 0x61, 0x73], /shorter than its header/],
    ['text', [...'(module)'].map((c) => c.charCodeAt(0)), /does not start with/],
    ['a component', [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0], /a component/],
    ['of a version to come', [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0], /unknown version 2/],
    ['a section of unknown id', [...header, 14, 0], /unknown section id 14/],
    ['a section twice', [...header, 1, 1, 0, 1, 1, 0], /"type" is repeated or out of order/],
    ['sections out of order', [...header, 3, 1, 0, 1, 1, 0], /"type" is repeated or out of order/],
    ['a section beyond the end', [...header, 1, 9, 0], /section "type": 9 bytes wanted, 1 left/],
    ['a custom section without a name', [...header, 0, 0], /unexpected end/],
  ])('%s', (_, bytes, message) => {
    expect(() => readSections(new Uint8Array(bytes))).toThrow(malformed(message));
  });
});

describe('declares nonsense', () => {
  const type = [1, [1, 0x60, 0, 0]] as const;
  test.each([
    ['functions without bodies', [type, [3, [1, 0]]], /1 functions declared, 0 bodies found/],
    [
      'a function of no type',
      [
        [3, [1, 0]],
        [10, [1, 2, 0, 11]],
      ],
      /type 0 is not a function type/,
    ],
    ['an export of nothing', [[7, [1, 1, 0x61, 0, 0]]], /export "a" names func 0, which does not exist/],
    [
      'an element of nothing',
      [
        [4, [1, 0x70, 0, 1]],
        [9, [1, 0, 0x41, 0, 11, 1, 5]],
      ],
      /names function 5/,
    ],
    ['a type of unknown form', [[1, [1, 0x5c]]], /unknown type form 0x5c/],
    ['an unknown value type', [[1, [1, 0x60, 1, 0x20, 0]]], /unknown value type 0x20/],
    ['a heap type of two bytes', [[1, [1, 0x60, 1, 0x63, 0xf0, 0x7e, 0]]], /unknown heap type -144/],
    ['an unknown import', [[2, [1, 0, 0, 9]]], /unknown import kind 0x9/],
    ['an initialiser with a block', [[6, [1, 0x7f, 0, 0x02, 0x40, 11, 11]]], /not a constant expression/],
    ['bytes after the last entry', [[1, [0, 0]]], /1 bytes too many/],
  ] as const)('%s', (_, sections, message) => {
    expect(() => readModule(module(...sections))).toThrow(malformed(message));
  });

  test.each([new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), '\0asm', [0, 97], undefined, null])(
    'what is no Uint8Array: %s',
    (value) => {
      const bytes = value as unknown as Uint8Array;
      const error = expect.objectContaining({ code: 'WGRAFT_ERR_OPTION_INVALID' });
      expect(() => readModule(bytes)).toThrow(error);
    },
  );

  test.each([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13])('more entries than bytes in section %i', (id) => {
    expect(() => readModule(module([id, huge]))).toThrow(malformed(/4294967295 of them/));
  });

  test.each([
    ['recursion group', [1, [1, 0x4e, ...huge]]],
    ['parameters', [1, [1, 0x60, ...huge]]],
    ['supertypes', [1, [1, 0x50, ...huge]]],
    ['fields', [1, [1, 0x5f, ...huge]]],
    ['name', [2, [1, ...huge]]],
    ['elements', [9, [1, 1, 0, ...huge]]],
    ['function body', [10, [1, ...huge]]],
    ['data segment', [11, [1, 1, ...huge]]],
  ] as const)('a vector within an entry: %s', (what, section) => {
    expect(() => readModule(module(section))).toThrow(malformed(new RegExp(what)));
  });

  test('more of a thing than any engine takes costs no memory', () => {
    const count = 1_000_001;
    const payload = new Writer(count * 3 + 8).u32(count);
    for (let i = 0; i < count; i += 1) payload.u8(0x60).u8(0).u8(0);
    const bytes = new Writer().raw(header).section(1, payload.view()).toBytes();
    const before = process.memoryUsage().heapUsed;
    expect(() => readModule(bytes)).toThrow(malformed(/types: 1000001 of them, engines take 1000000/));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
  });
});
