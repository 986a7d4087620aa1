// What a library needs of the program that loads it: dylink.0, and dylink before it.

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Dylink, readDylink, readSections, Writer, writeDylink } from '../../../src/wasm/index.ts';
import { linkedProgram } from '../../support/linked-program.ts';
import { wat } from '../../support/wat.ts';

const empty = wat('(module)');
const read = (bytes: Uint8Array): Dylink | undefined => readDylink(bytes, readSections(bytes));
const withSection = (name: string, payload: Uint8Array | number[]): Uint8Array =>
  new Writer().raw(empty).custom(name, payload).toBytes();

const nothing: Dylink = {
  memorySize: 0,
  memoryAlignment: 0,
  tableSize: 0,
  tableAlignment: 0,
  needed: [],
  exports: [],
  imports: [],
  runtimePath: [],
  unknown: [],
};

test('a library of wasm-ld says what it needs, and what it imports weakly', async () => {
  expect(read(await linkedProgram('shared'))).toEqual({
    ...nothing,
    memorySize: 480,
    memoryAlignment: 4,
    tableSize: 2,
    imports: [{ module: 'env', name: 'absent', flags: 17 }],
  });
});

test('a library with the older section reads the same way', async () => {
  const folder = new URL('../../../node_modules/tree-sitter-wasms/out/', import.meta.url);
  const bytes = await readFile(new URL('tree-sitter-tsx.wasm', folder));
  const { memorySize, ...rest } = read(bytes) ?? nothing;
  expect(memorySize).toBeGreaterThan(1_000_000);
  expect(rest).toMatchObject({ memoryAlignment: 4, tableAlignment: 0, needed: [], imports: [] });
});

test('what is written is read again, unknown subsections too', () => {
  const dylink: Dylink = {
    memorySize: 70_000,
    memoryAlignment: 4,
    tableSize: 3,
    tableAlignment: 1,
    needed: ['libc.so', 'lib\u00e9.so'],
    exports: [{ name: 'own', flags: 0x100 }],
    imports: [{ module: 'env', name: 'maybe', flags: 1 }],
    runtimePath: ['$ORIGIN/../lib'],
    unknown: [{ id: 77, payload: new Uint8Array([1, 2, 3]) }],
  };
  expect(read(withSection('dylink.0', writeDylink(dylink)))).toEqual(dylink);
});

test('memory needs alone make the section that loaders know', () => {
  const info = { memorySize: 200, memoryAlignment: 3, tableSize: 1, tableAlignment: 0 };
  expect([...writeDylink(info)]).toEqual([1, 5, 0xc8, 1, 3, 1, 0]);
});

test('a module of neither kind has none', () => {
  expect(read(empty)).toBeUndefined();
});

describe('malformed', () => {
  test.each([
    ['a subsection that ends early', 'dylink.0', [1, 3, 0, 0, 0]],
    ['a subsection with bytes left', 'dylink.0', [1, 5, 0, 0, 0, 0, 0]],
    ['a subsection longer than the section', 'dylink.0', [2, 9, 0]],
    ['more names than bytes', 'dylink.0', [2, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['the older section with bytes left', 'dylink', [0, 0, 0, 0, 0, 0]],
  ])('%s', (_, name, payload) => {
    expect(() => read(withSection(name, payload))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});
