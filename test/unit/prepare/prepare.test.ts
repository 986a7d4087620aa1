// What preparing makes of a kernel: policies, additions, custom sections, hashes; and what it refuses.

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { findSlotMap, type SlotMap } from '../../../src/patch/index.ts';
import { type PrepareOptions, prepare } from '../../../src/prepare/index.ts';
import { version } from '../../../src/version.ts';
import {
  findCustom,
  readBuildId,
  readFunctionNames,
  readModule,
  readSections,
  sectionIds,
  Writer,
  writeBuildId,
} from '../../../src/wasm/index.ts';
import { slotted } from '../../support/slots.ts';
import { wat, withCustom } from '../../support/wat.ts';

const kernel = wat(`(module
  (import "env" "tick" (func $tick))
  (import "env" "memory" (memory 1))
  (memory $own 1)
  (table $t 2 4 funcref)
  (table $u 1 externref)
  (global $n (mut i32) (i32.const 0))
  (global $fixed i32 (i32.const 1))
  (tag $e (param i32))
  (elem (table $t) (i32.const 0) func $taken)
  (global $ref funcref (ref.func $kept))
  (start $begin)
  (func $begin (nop) (nop) (nop) (nop))
  (func $exported (export "exported") (param i32) (result i32) (call $inner (local.get 0)))
  (func $taken (result i32) (i32.const 2))
  (func $kept)
  (func $inner (param i32) (result i32) (call $tick) (call $leaf (local.get 0)))
  (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $loop (loop $l (br_if $l (i32.const 0))))
  (func $long (result i32)
    ${'(drop (i32.add (i32.const 1000000) (i32.const 2000000)))'.repeat(5)} (i32.const 1)))`);

const imports = { env: { tick: () => {}, memory: new WebAssembly.Memory({ initial: 1 }) } };

const mapOf = (bytes: Uint8Array): SlotMap => {
  const map = findSlotMap(bytes);
  if (map === undefined) throw new Error('no slot map');
  return map;
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Makes a body of so many bytes, with that of no locals and the end. */
const nops = (bodyBytes: number): string => '(nop)'.repeat(bodyBytes - 2);
const slotsOf = (bytes: Uint8Array): string[] =>
  mapOf(bytes).functions.map(
    (f) => `${f.name}: ${f.slot ?? f.reason}${f.tableEntries.length > 0 ? ' in the table' : ''}`,
  );

describe('policies', () => {
  test('all: every function', async () => {
    const { bytes, report } = await prepare(kernel, { slots: 'all' });
    expect(report).toMatchObject({ functions: 8, slots: 8, slotless: {}, policy: 'all', engine: 'splice' });
    expect(slotsOf(bytes)).toEqual([
      'begin: 0',
      'exported: 1',
      'taken: 2',
      'kept: 3',
      'inner: 4',
      'leaf: 5',
      'loop: 6',
      'long: 7',
    ]);
  });

  test('auto: all but small leaves that nothing outside can call', async () => {
    const { bytes, report } = await prepare(kernel);
    expect(report).toMatchObject({ policy: 'auto', slots: 7, slotless: { leaf: 1 } });
    expect(slotsOf(bytes)).toEqual([
      'begin: 0',
      'exported: 1',
      'taken: 6 in the table',
      'kept: 2',
      'inner: 3',
      'leaf: leaf',
      'loop: 4',
      'long: 5',
    ]);
  });

  // - bodies of 255 and 256 bytes, in programs whose bodies take 8 192 and 8 193 bytes
  test('auto, in a large program: all but small functions that nothing outside can call', async () => {
    const program = (bodyBytes: number): Uint8Array =>
      wat(`(module
      (table 1 funcref) (elem (i32.const 0) func $taken)
      (func $exported (export "exported") (call $tiny))
      (func $taken)
      (func $tiny (loop (nop)))
      (func $short ${nops(255)})
      (func $long ${nops(256)})
      (func $rest ${nops(bodyBytes - 523)}))`);
    const { report: small } = await prepare(program(8192));
    expect(small).toMatchObject({ policy: 'auto', functions: 6, slots: 6, slotless: {} });
    const { bytes, report } = await prepare(program(8193));
    expect(report).toMatchObject({ policy: 'auto', functions: 6, slots: 4, slotless: { small: 2 } });
    expect(slotsOf(bytes)).toEqual([
      'exported: 0',
      'taken: 3 in the table',
      'tiny: small',
      'short: small',
      'long: 1',
      'rest: 2',
    ]);
  });

  test('entry: what something outside can call', async () => {
    const { bytes, report } = await prepare(kernel, { slots: 'entry' });
    expect(report).toMatchObject({ policy: 'entry', slots: 4, slotless: { inner: 4 } });
    expect(slotsOf(bytes)).toEqual([
      'begin: 0',
      'exported: 1',
      'taken: 3 in the table',
      'kept: 2',
      'inner: inner',
      'leaf: inner',
      'loop: inner',
      'long: inner',
    ]);
  });

  test('a body at the limit of engines gets no slot, and the module stays valid', async () => {
    const nops = new Uint8Array(7_654_000).fill(1);
    const out = new Writer(nops.length + 100).raw(wat('(module)').subarray(0, 8));
    out.section(sectionIds.type, [1, 0x60, 0, 0]).section(sectionIds.function, [2, 0, 0]);
    const code = new Writer(nops.length + 20).u32(2);
    code
      .u32(nops.length + 2)
      .u8(0)
      .raw(nops)
      .u8(0x0b)
      .block([0, 0x0b]);
    const huge = out.section(sectionIds.code, code.view()).toBytes();
    const { bytes, report } = await prepare(huge, { slots: 'all' });
    expect(report).toMatchObject({ slots: 1, slotless: { 'too-large': 1 } });
    expect(mapOf(bytes).functions.map((f) => f.reason)).toEqual(['too-large', undefined]);
  });
});

describe('additions', () => {
  test('stand behind what the kernel has', async () => {
    const { bytes } = await prepare(kernel);
    const was = readModule(kernel);
    const is = readModule(bytes);
    expect(is.imports.map((i) => i.name)).toEqual(was.imports.map((i) => i.name));
    expect(is.exports.slice(0, was.exports.length)).toEqual(was.exports);
    expect(is.exports.slice(was.exports.length)).toEqual([
      { name: '__wgraft_slots', kind: 'table', index: 2 },
      { name: '__wgraft_set', kind: 'func', index: 9 },
      { name: '__wgraft_fill', kind: 'func', index: 10 },
      { name: '__wgraft_memory_0', kind: 'memory', index: 0 },
      { name: '__wgraft_memory_1', kind: 'memory', index: 1 },
      { name: '__wgraft_table_0', kind: 'table', index: 0 },
      { name: '__wgraft_table_1', kind: 'table', index: 1 },
      { name: '__wgraft_global_0', kind: 'global', index: 0 },
      { name: '__wgraft_global_2', kind: 'global', index: 2 },
      { name: '__wgraft_tag_0', kind: 'tag', index: 0 },
    ]);
    expect(is.functions.slice(0, was.functions.length)).toEqual(was.functions);
    expect(is.tables.map((t) => [t.element, t.limits.min, t.limits.max])).toEqual([
      ['funcref', 2n, undefined],
      ['externref', 1n, undefined],
      ['funcref', 1n, undefined],
    ]);
  });

  test('names are kept, and the added functions have some', async () => {
    const { bytes } = await prepare(kernel);
    const before = readFunctionNames(kernel, readSections(kernel));
    const after = readFunctionNames(bytes, readSections(bytes));
    const fixed = ['__wgraft_set', '__wgraft_fill', '__wgraft_set_0'];
    const added = [...fixed, ...[0, 2, 3].map((type) => `__wgraft_redirect_${type}`)];
    expect([...after]).toEqual([...before, ...added.map((name, i) => [9 + i, name])]);
  });

  test('the same input gives the same bytes', async () => {
    for (const options of [{}, { slots: 'all' }, { engine: 'binaryen' }] satisfies PrepareOptions[]) {
      const [one, two] = [await prepare(kernel, options), await prepare(kernel, options)];
      expect(hex(one.bytes)).toBe(hex(two.bytes));
      expect(one.report.buildId).toBe(two.report.buildId);
    }
  });

  test('the build id covers everything before it; the old one is kept in the slot map', async () => {
    const own = Uint8Array.from({ length: 20 }, (_, i) => i);
    const { bytes, report } = await prepare(withCustom(kernel, { build_id: writeBuildId(own) }));
    const sections = readSections(bytes);
    const section = findCustom(sections, 'build_id');
    expect(sections.filter((s) => s.name === 'build_id')).toEqual([section]);
    expect(section?.end).toBe(bytes.length);
    const id = createHash('sha256').update(bytes.subarray(0, section?.start)).digest('hex');
    expect([hex(readBuildId(bytes, sections) ?? new Uint8Array()), report.buildId]).toEqual([id, id]);
    expect(mapOf(bytes)).toMatchObject({
      tool: `wgraft ${version}`,
      engine: 'splice',
      policy: 'auto',
      originalBuildId: hex(own),
      hash: 'plain',
    });
    expect(report.dropped).toEqual([]);
  });

  test('body hashes are those of the original bodies', async () => {
    const { bytes } = await prepare(kernel);
    const m = readModule(kernel);
    const expected = m.bodies.map(({ start, end }) =>
      createHash('sha256').update(kernel.subarray(start, end)).digest('hex'),
    );
    expect(mapOf(bytes).functions.map((f) => hex(f.hash))).toEqual(expected);
    expect(mapOf(bytes).original).toBe(createHash('sha256').update(kernel).digest('hex'));
  });

  test('a byte order mark in an export name is part of the name', async () => {
    const { bytes } = await prepare(wat('(module (func (export "\\ef\\bb\\bff") (nop)))'));
    expect(readModule(bytes).exports[0]?.name).toBe('\ufeff' + 'f');
  });
});

describe('slots', () => {
  test('an unknown slot or function traps', async () => {
    const { exports } = await slotted((await prepare(kernel)).bytes, imports);
    for (const slot of [7, 255, 256, -1])
      expect(() => exports['__wgraft_set'](slot, 1)).toThrow(/unreachable/);
    expect(() => exports['__wgraft_fill'](0, 13)).toThrow(/out of bounds/);
    for (const f of [256, -1]) expect(() => exports['__wgraft_fill'](0, f)).toThrow(/unreachable/);
    expect(() => exports['__wgraft_fill'](1, 0)).toThrow(/out of bounds/);
  });

  test('a slot that is taken catches all calls, its own too, and gives them back', async () => {
    const bytes = wat(`(module
      (func $f (export "f") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (i32.add (i32.const 1) (call $f (i32.const 0)))) (else (i32.const 10)))))`);
    for (const engine of ['splice', 'binaryen'] as const) {
      const { bytes: prepared } = await prepare(bytes, { engine });
      const { exports, redirect } = await slotted(prepared);
      const other = await slotted(
        (await prepare(wat('(module (func $g (param i32) (result i32) (i32.const 500)))'), { slots: 'all' }))
          .bytes,
      );
      expect([exports['f'](1), exports['f'](0)]).toEqual([11, 10]);
      redirect('f', other.take('g'));
      expect([exports['f'](1), exports['f'](0)]).toEqual([500, 500]);
      redirect('f', null);
      expect(exports['f'](1)).toBe(11);
    }
  });

  test('a return_call lands in the redirect, and 100 000 of them need no stack', async () => {
    const bytes = wat(`(module
      (func $a (export "a") (param i32) (result i32) (return_call $b (local.get 0)))
      (func $b (param i32) (result i32) (return_call $a (local.get 0))))`);
    const fix = wat(`(module
      (import "app" "a" (func $a (param i32) (result i32)))
      (func (export "b") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (return_call $a (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 77)))))`);
    const { exports, redirect } = await slotted((await prepare(bytes)).bytes);
    const { instance } = await WebAssembly.instantiate(fix, { app: { a: exports['a'] } });
    redirect('b', instance.exports['b'] as () => number);
    expect(exports['a'](100_000)).toBe(77);
  });
});

describe('refusals', () => {
  const gc = wat('(module (type $s (struct (field i32))) (func (param (ref null $s))))');

  const cases: readonly (readonly [string, unknown, PrepareOptions, object])[] = [
    ['nothing', new Uint8Array(), {}, { code: 'WGRAFT_ERR_WASM_MALFORMED', details: { offset: 0 } }],
    ['text', new TextEncoder().encode('(module) ;; long enough'), {}, { code: 'WGRAFT_ERR_WASM_MALFORMED' }],
    ['a component', Uint8Array.of(0, 97, 115, 109, 13, 0, 1, 0), {}, { code: 'WGRAFT_ERR_WASM_MALFORMED' }],
    ['a truncated module', kernel.subarray(0, 60), {}, { code: 'WGRAFT_ERR_WASM_MALFORMED' }],
    [
      'an invalid module',
      Uint8Array.of(
        ...wat('(module)').subarray(0, 8),
        1,
        4,
        1,
        0x60,
        0,
        0,
        3,
        2,
        1,
        0,
        10,
        5,
        1,
        3,
        0,
        0x1a,
        0x0b,
      ),
      {},
      { code: 'WGRAFT_ERR_WASM_INVALID', details: { what: 'the module' } },
    ],
    [
      'a reserved export',
      wat('(module (func (export "__wgraft_set")))'),
      {},
      { code: 'WGRAFT_ERR_NAME_RESERVED', details: { name: '__wgraft_set' } },
    ],
    ['GC types, with binaryen', gc, { engine: 'binaryen' }, { code: 'WGRAFT_ERR_ENGINE_UNSUITABLE' }],
    ['no bytes', 'kernel.wasm', {}, { code: 'WGRAFT_ERR_OPTION_INVALID', details: { option: 'module' } }],
    ['an unknown policy', kernel, { slots: 'most' }, { code: 'WGRAFT_ERR_OPTION_INVALID' }],
    ['an unknown engine', kernel, { engine: 'llvm' }, { code: 'WGRAFT_ERR_OPTION_INVALID' }],
    ['a name that is none', kernel, { fentry: 5 }, { code: 'WGRAFT_ERR_OPTION_INVALID' }],
  ] as unknown as (readonly [string, unknown, PrepareOptions, object])[]; // wrong options are the point

  test.each(cases)('%s', async (_, bytes, options, error) => {
    await expect(prepare(bytes as Uint8Array, options)).rejects.toMatchObject(error);
  });

  test('a prepared module', async () => {
    const { bytes } = await prepare(kernel);
    await expect(prepare(bytes)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_ALREADY_PREPARED',
      details: { tool: `wgraft ${version}` },
    });
  });

  test('more tables than engines take', async () => {
    const tables = new Writer(400_000).u32(100_000);
    for (let i = 0; i < 100_000; i += 1) tables.raw([0x70, 0, 0]);
    const bytes = new Writer(400_000)
      .raw(kernel.subarray(0, 8))
      .section(sectionIds.table, tables.view())
      .toBytes();
    expect(WebAssembly.validate(bytes)).toBe(true);
    await expect(prepare(bytes)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_LIMIT_EXCEEDED',
      details: { what: 'tables', count: 100_001, limit: 100_000 },
    });
  });

  test('more exports than engines take, and none is counted that is not added', async () => {
    const withExports = (count: number): Uint8Array<ArrayBuffer> => {
      const table = Uint8Array.of(1, 0x70, 0, 0);
      const exports = new Writer(16_000_000).u32(count);
      for (let i = 0; i < count; i += 1) exports.name(i.toString(36)).u8(1).u32(0);
      const out = new Writer(16_000_000).raw(kernel.subarray(0, 8)).section(sectionIds.table, table);
      return out.section(sectionIds.export, exports.view()).toBytes();
    };
    // Its table, the slot table, and what sets and fills: no value is asked for.
    await expect(prepare(withExports(999_996))).resolves.toMatchObject({ report: { slots: 0 } });
    await expect(prepare(withExports(999_997))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_LIMIT_EXCEEDED',
      details: { what: 'exports', count: 1_000_001, limit: 1_000_000 },
    });
  });
});

describe('edges', () => {
  test('a module without anything, and one with imports only', async () => {
    for (const text of ['(module)', '(module (import "a" "b" (func)) (import "a" "m" (memory 1)))']) {
      const { bytes, report } = await prepare(wat(text), { slots: 'all' });
      expect(report).toMatchObject({ functions: 0, slots: 0, slotless: {} });
      const { exports } = await slotted(bytes, {
        a: { b: () => {}, m: new WebAssembly.Memory({ initial: 1 }) },
      });
      expect(() => exports['__wgraft_set'](0, 1)).toThrow(/unreachable/);
    }
  });

  test('shared bytes are copied before they are read', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(kernel.length));
    shared.set(kernel);
    expect((await prepare(shared)).report.buildId).toBe((await prepare(kernel)).report.buildId);
  });

  test('progress is told', async () => {
    const told = async (engine: 'splice' | 'binaryen'): Promise<string[]> => {
      const phases: string[] = [];
      await prepare(kernel, { engine, onProgress: (phase) => void phases.push(phase) });
      return phases;
    };
    expect(await told('splice')).toEqual(['reading', 'hashing', 'rewriting', 'checking']);
    expect(await told('binaryen')).toEqual([
      'reading',
      'hashing',
      'rewriting',
      'loading binaryen',
      'binaryen reads',
      'binaryen adds guards',
      'binaryen writes',
      'checking',
    ]);
  });

  test('200 000 functions with slots', async () => {
    const count = 200_000;
    const out = new Writer(count * 8).raw(kernel.subarray(0, 8));
    out.section(sectionIds.type, [1, 0x60, 0, 1, 0x7f]);
    out.section(sectionIds.function, new Writer(count + 8).u32(count).raw(new Uint8Array(count)).view());
    const code = new Writer(count * 8).u32(count);
    for (let i = 0; i < count; i += 1) {
      const body = new Writer(8).u8(0).u8(0x41).s32(i).u8(0x0b);
      code.block(body.view());
    }
    const bytes = out.section(sectionIds.code, code.view()).toBytes();
    const { exports, take, redirect } = await slotted((await prepare(bytes, { slots: 'all' })).bytes);
    for (const [f, to] of [
      [0, 199_999],
      [65_535, 65_536],
      [199_999, 3],
    ] as const) {
      const old = take(f) as () => number;
      expect(old()).toBe(f);
      redirect(f, take(to));
      expect(old()).toBe(to);
      redirect(f, null);
      expect(old()).toBe(f);
    }
    expect(() => exports['__wgraft_set'](count, 1)).toThrow(/unreachable/);
  });
});

test('a table that is exported to be filled by others keeps its maximum: they may import it with that', async () => {
  const shim = wat(`(module
    (table (export "t") 2 2 funcref)
    (func (export "f") (result i32) (call_indirect (result i32) (i32.const 1))))`);
  const filler = wat(`(module
    (import "shim" "t" (table 2 2 funcref))
    (func $nine (result i32) (i32.const 9))
    (elem (i32.const 1) $nine))`);
  const [first, second] = [await prepare(shim), await prepare(filler)];
  const { instance } = await WebAssembly.instantiate(first.bytes);
  await WebAssembly.instantiate(second.bytes, { shim: instance.exports });
  expect((instance.exports['f'] as () => number)()).toBe(9);
});
