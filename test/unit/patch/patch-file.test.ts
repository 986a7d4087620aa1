// A patch file is read back as it was written, and nothing that could touch a program behind the manifest's back is read.

import { describe, expect, test } from 'vitest';
import { WgraftError } from '../../../src/errors.ts';
import {
  type Manifest,
  patchSection,
  patchSizeLimitBytes,
  readManifest,
  readPatch,
  writePatch,
} from '../../../src/patch/index.ts';
import { findCustom, readDylink, readSections } from '../../../src/wasm/index.ts';
import { wat } from '../../support/wat.ts';

const tool = { name: 'wgraft', version: '0.0.0' };
const text = `(module
  (import "target" "memory" (memory 0))
  (import "target" "memory_base" (global $base i32))
  (data $greeting "hello")
  (func (export "replacement_1") (param i32) (result i32) (i32.add (local.get 0) (i32.load (global.get $base))))
  (func (export "__wgraft_data") (memory.init $greeting (global.get $base) (i32.const 0) (i32.const 5))))`;

const manifest: Manifest = {
  format: 1,
  name: 'fix-1',
  target: { buildId: 'ab'.repeat(32), name: 'app' },
  replaces: [
    { index: 1, name: 'step', slot: 0, type: '(i32) -> i32', hash: 'cd'.repeat(32), export: 'replacement_1' },
  ],
  imports: [
    { module: 'target', name: 'memory', from: 'memory', index: 0 },
    { module: 'target', name: 'memory_base', from: 'memory-base' },
  ],
  memory: {
    sizeBytes: 5,
    alignBytes: 16,
    allocator: { kind: 'function', index: 7, name: 'malloc', reason: 'it is there' },
  },
  metadata: { description: 'a fix', author: 'someone', cves: ['CVE-2026-1'] },
};

/** The reason for which these bytes, or this module with this manifest, are not a patch. */
function refusal(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_NOT_A_PATCH')) return error.details.reason;
    throw error;
  }
  return 'none';
}

const written = (change: object, module = text): (() => unknown) => {
  const bytes = wat(module);
  return () => writePatch(bytes, { ...manifest, ...change }, tool);
};

test('what is written is read back: manifest, module, and an id that depends on every byte', () => {
  const patch = writePatch(wat(text), manifest, tool);
  expect(readPatch(patch.module)).toEqual(patch);
  expect(patch.manifest).toEqual(manifest);
  expect(WebAssembly.Module.exports(new WebAssembly.Module(patch.module)).map((e) => e.name)).toEqual([
    'replacement_1',
    '__wgraft_data',
  ]);
  expect(writePatch(wat(text), manifest, tool).id).toBe(patch.id);
  const other = writePatch(wat(text), { ...manifest, name: 'fix-2' }, tool);
  expect(other.id).not.toBe(patch.id);
});

test('custom sections: the manifest before producers and build id, all of them readable by other tools', () => {
  const { module } = writePatch(wat(text), manifest, tool);
  const sections = readSections(module);
  expect(sections.filter((s) => s.id === 0).map((s) => s.name)).toEqual([
    'name',
    patchSection,
    'producers',
    'build_id',
  ]);
  expect(findCustom(sections, 'producers')).toBeDefined();
  expect(readDylink(module, sections)).toBeUndefined();
});

describe('refused:', () => {
  test('a file of which one byte was changed', () => {
    const { module } = writePatch(wat(text), manifest, tool);
    const at = Buffer.from(module).indexOf('hello');
    module[at] = (module[at] ?? 0) ^ 1;
    expect(refusal(() => readPatch(module))).toBe(
      'its build id does not match its content: it is damaged or was changed',
    );
  });

  test('200 MB of garbage, by its size alone', () => {
    expect(refusal(() => readPatch(new Uint8Array(200_000_000)))).toBe(
      '200000000 bytes are more than a patch may have (64 MiB)',
    );
    expect(patchSizeLimitBytes).toBe(64 * 1024 * 1024);
  });

  test('an ArrayBuffer, from a caller without types', () => {
    const { module } = writePatch(wat(text), manifest, tool);
    expect(() => readPatch(module.buffer as unknown as Uint8Array)).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_OPTION_INVALID' }),
    );
  });

  test('a module that is no patch, and bytes that are no module', () => {
    expect(refusal(() => readPatch(wat(text)))).toBe('it has no section "wgraft.patch"');
    expect(() => readPatch(new TextEncoder().encode('#!/bin/sh\nexit'))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });

  const start = text.replace('(func (export "__', '(start $s) (func $s) (func (export "__');
  const active = text.replace('(data $g', '(data (global.get $base) "x") (data $g');
  const element = text.replace('(data $g', '(table 1 funcref) (elem (i32.const 0) $s) (func $s) (data $g');
  const parameter = text.replace(
    '(func (export "__wgraft_data")',
    '(func (export "__wgraft_data") (param i32)',
  );
  const [replaces] = manifest.replaces;
  test.each([
    ['a start function', written({}, start), 'it has a start function'],
    ['an active data segment', written({}, active), 'it has an active data segment'],
    ['an active element segment', written({}, element), 'it has an active element segment'],
    [
      'a data function with a parameter',
      written({}, parameter),
      'its export "__wgraft_data" has parameters or results',
    ],
    [
      'an import that the manifest does not name',
      written({ imports: manifest.imports.slice(1) }),
      'its manifest does not name its import "target" "memory"',
    ],
    [
      'an import that only the manifest has',
      written({ imports: [...manifest.imports, { module: 'target', name: 'f', from: 'func', index: 3 }] }),
      'it does not import "target" "f"',
    ],
    [
      'an import named twice',
      written({ imports: [...manifest.imports, ...manifest.imports] }),
      'its manifest names an import twice',
    ],
    [
      'an import of another kind',
      written({
        imports: [{ module: 'target', name: 'memory', from: 'memory-base' }, ...manifest.imports.slice(1)],
      }),
      'its import "target" "memory" is a memory, the manifest says memory-base',
    ],
    [
      'a replacement that is not exported',
      written({ replaces: [{ ...replaces, export: 'gone' }] }),
      'it exports no function "gone"',
    ],
    [
      'a copy of the original that is not exported',
      written({ replaces: [{ ...replaces, original: 'gone' }] }),
      'it exports no function "gone"',
    ],
    [
      'a replacement of another type',
      written({ replaces: [{ ...replaces, type: '(i64) -> i32' }] }),
      'its replacement of "step" has type (i32) -> i32, the manifest says (i64) -> i32',
    ],
    [
      'a function that is not unchanged',
      written({ replaces: [{ ...replaces, unchanged: false as never }] }),
      "the manifest's replaces[0].unchanged is not true",
    ],
    [
      'one that is unchanged as a word',
      written({ replaces: [{ ...replaces, unchanged: 'yes' as never }] }),
      "the manifest's replaces[0].unchanged is neither true nor false",
    ],
    ['a slot replaced twice', written({ replaces: [replaces, replaces] }), 'it replaces one function twice'],
    ['nothing replaced', written({ replaces: [] }), 'it replaces nothing'],
    [
      'table entries without functions',
      written({ table: { size: 1 } }),
      'it exports no function "__wgraft_table_0"',
    ],
    [
      'more table entries than exports',
      written({ table: { size: 4_000_000_000 } }),
      "it has no 4000000000 functions for the program's table",
    ],
    [
      'an unknown field',
      () => readManifest(new TextEncoder().encode(JSON.stringify({ ...manifest, postApply: 'rm' }))),
      'the manifest\'s top level has an unknown field "postApply"',
    ],
    [
      'a format of the future',
      written({ format: 2 }),
      'the manifest has format 2, this wgraft reads format 1',
    ],
    ['a name with a slash', written({ name: '../x' }), 'its name is not at most 64 of A-Z a-z 0-9 . _ -'],
    [
      'an alignment of 3',
      written({ memory: { ...manifest.memory, alignBytes: 3 } }),
      "the manifest's memory.alignBytes is not a power of two up to 65536",
    ],
    [
      'a build id that is none',
      written({ target: { buildId: 'AB' } }),
      "the manifest's target.buildId is not a SHA-256 in hex",
    ],
    [
      'the body of a called function that is none',
      written({ imports: [{ module: 'target', name: 'f', from: 'func', index: 3, hash: 'cd' }] }),
      "the manifest's imports[0].hash is not a SHA-256 in hex",
    ],
    [
      'a body where nothing is called',
      written({
        imports: [{ module: 'target', name: 'm', from: 'memory', index: 0, hash: 'cd'.repeat(32) }],
      }),
      'the manifest\'s imports[0] has an unknown field "hash"',
    ],
  ])('%s', (_, make, reason) => {
    expect(refusal(make)).toBe(reason);
  });
});

describe('what livepatch has too', () => {
  const rich = text
    .replace(
      '(data $g',
      `(import "rt" "get" (func (param i32 i32) (result i32)))
       (import "rt" "new" (func (param i32 i32 i32 i32 i32) (result i32)))
       (import "rt" "before" (func (param i32) (result i32)))
       (data $g`,
    )
    .replace(/\)$/, '(func (export "go") (result i32) (i32.const 0)) (func (export "done")))');
  const imports: Manifest['imports'] = [
    ...manifest.imports,
    { module: 'rt', name: 'get', from: 'shadow', operation: 'get' },
    { module: 'rt', name: 'new', from: 'shadow', operation: 'alloc' },
    { module: 'rt', name: 'before', from: 'state', operation: 'previous' },
  ];
  const full = {
    imports,
    callbacks: { prePatch: 'go', postPatch: 'done', preUnpatch: 'done', postUnpatch: 'done' },
    states: [
      { id: 1, version: 0 },
      { id: 0xffffffff, version: 0xfffffffe },
    ],
    cumulative: true,
    model: 'stop-machine',
  } as const;

  test('callbacks, states, cumulative, a model, and imports from the runtime are read back', () => {
    const said: Manifest = { ...manifest, ...full };
    expect(readPatch(writePatch(wat(rich), said, tool).module).manifest).toEqual(said);
  });

  const change = (more: object): (() => unknown) => written({ ...full, ...more }, rich);
  const shadow = (operation: string): object => ({
    imports: [...imports.slice(0, 2), { module: 'rt', name: 'get', from: 'shadow', operation }],
  });
  test.each([
    ['a callback that is not exported', { callbacks: { prePatch: 'gone' } }, 'it exports no function "gone"'],
    [
      'a pre-patch callback that returns nothing',
      { callbacks: { prePatch: 'done' } },
      'its callback prePatch has type () -> (), not () -> i32',
    ],
    [
      'another callback that returns something',
      { callbacks: { postUnpatch: 'go' } },
      'its callback postUnpatch has type () -> i32, not () -> ()',
    ],
    [
      'an unknown callback',
      { callbacks: { midPatch: 'go' } },
      'the manifest\'s callbacks has an unknown field "midPatch"',
    ],
    [
      'a callback that is no name',
      { callbacks: { prePatch: 1 } },
      "the manifest's callbacks.prePatch is not a text",
    ],
    ['callbacks in a list', { callbacks: ['go'] }, "the manifest's callbacks is not an object"],
    ['a state 0', { states: [{ id: 0, version: 1 }] }, "the manifest's states[0] is out of range"],
    [
      'a state of version 2^32 - 1',
      { states: [{ id: 1, version: 0xffffffff }] },
      "the manifest's states[0] is out of range",
    ],
    [
      'a state of half a version',
      { states: [{ id: 1, version: 0.5 }] },
      "the manifest's states[0].version is not a number from 0 to 4294967295",
    ],
    [
      'a state with data',
      { states: [{ id: 1, version: 1, data: 'x' }] },
      'the manifest\'s states[0] has an unknown field "data"',
    ],
    [
      'a state twice',
      {
        states: [
          { id: 7, version: 1 },
          { id: 7, version: 2 },
        ],
      },
      'it has one system state twice',
    ],
    ['"cumulative" as a number', { cumulative: 1 }, "the manifest's cumulative is neither true nor false"],
    [
      'an unknown model',
      { model: 'hope' },
      "the manifest's model is none of hybrid, leave-set, leave-kernel, stop-machine, checkpoint, immediate, safe-point",
    ],
    [
      'an unknown operation on shadow variables',
      shadow('steal'),
      "the manifest's imports[2].operation is none of get, alloc, getOrAlloc, free, freeAll",
    ],
    [
      'an operation on states that is inherited from Object',
      { imports: [{ module: 'rt', name: 'get', from: 'state', operation: 'toString' }] },
      "the manifest's imports[0].operation is none of get, previous",
    ],
    [
      'a runtime function of another type',
      { imports: imports.map((i) => (i.name === 'get' ? { ...i, operation: 'free' } : i)) },
      'its import "rt" "get" has type (i32, i32) -> i32, shadow free is (i32, i32, i32) -> ()',
    ],
    [
      'a memory instead of a runtime function',
      {
        imports: [
          { module: 'target', name: 'memory', from: 'shadow', operation: 'get' },
          ...imports.slice(1),
        ],
      },
      'its import "target" "memory" is a memory, the manifest says shadow',
    ],
    [
      'shadow variables without memory',
      { memory: undefined },
      'it allocates shadow variables, and its manifest has no memory for them',
    ],
    [
      'a free function that is no index',
      { memory: { ...manifest.memory, allocator: { kind: 'function', index: 7, free: -1, reason: '' } } },
      "the manifest's memory.allocator.free is not a number from 0 to 4294967295",
    ],
  ])('refused: %s', (_, more, reason) => {
    expect(refusal(change(more))).toBe(reason);
  });
});
