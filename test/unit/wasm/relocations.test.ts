// Relocations: what each type means, what objdump sees too, and whether they may be believed.

import binaryen from 'binaryen';
import { describe, expect, test } from 'vitest';
import {
  checkRelocations,
  readModule,
  readRelocated,
  readRelocations,
  readSymbols,
  relocationTypes,
  type WasmModule,
  Writer,
} from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { linkedProgram } from '../../support/linked-program.ts';
import { objdump } from '../../support/llvm-objdump.ts';
import { wat } from '../../support/wat.ts';

test('every type of the tool conventions: its number, where the value comes from, how wide the field is', () => {
  const lines = relocationTypes.map(
    (t, i) =>
      `${i} ${t.name}: ${t.target}, ${t.field} of ${t.width}${t.addend ? ', addend' : ''}${t.origin === 'zero' ? '' : `, from ${t.origin}`}`,
  );
  expect(lines).toEqual([
    '0 FUNCTION_INDEX_LEB: func, leb of 5',
    '1 TABLE_INDEX_SLEB: table-entry, sleb of 5',
    '2 TABLE_INDEX_I32: table-entry, int of 4',
    '3 MEMORY_ADDR_LEB: memory, leb of 5, addend',
    '4 MEMORY_ADDR_SLEB: memory, sleb of 5, addend',
    '5 MEMORY_ADDR_I32: memory, int of 4, addend',
    '6 TYPE_INDEX_LEB: type, leb of 5',
    '7 GLOBAL_INDEX_LEB: global, leb of 5',
    '8 FUNCTION_OFFSET_I32: code-offset, int of 4, addend',
    '9 SECTION_OFFSET_I32: section-offset, int of 4, addend',
    '10 TAG_INDEX_LEB: tag, leb of 5',
    '11 MEMORY_ADDR_REL_SLEB: memory, sleb of 5, addend, from module',
    '12 TABLE_INDEX_REL_SLEB: table-entry, sleb of 5, from module',
    '13 GLOBAL_INDEX_I32: global, int of 4',
    '14 MEMORY_ADDR_LEB64: memory, leb of 10, addend',
    '15 MEMORY_ADDR_SLEB64: memory, sleb of 10, addend',
    '16 MEMORY_ADDR_I64: memory, int of 8, addend',
    '17 MEMORY_ADDR_REL_SLEB64: memory, sleb of 10, addend, from module',
    '18 TABLE_INDEX_SLEB64: table-entry, sleb of 10',
    '19 TABLE_INDEX_I64: table-entry, int of 8',
    '20 TABLE_NUMBER_LEB: table, leb of 5',
    '21 MEMORY_ADDR_TLS_SLEB: memory, sleb of 5, addend, from thread',
    '22 FUNCTION_OFFSET_I64: code-offset, int of 8, addend',
    '23 MEMORY_ADDR_LOCREL_I32: memory, int of 4, addend, from site',
    '24 TABLE_INDEX_REL_SLEB64: table-entry, sleb of 10, from module',
    '25 MEMORY_ADDR_TLS_SLEB64: memory, sleb of 10, addend, from thread',
    '26 FUNCTION_INDEX_I32: func, int of 4',
    '27 MEMORY_ADDR_LOCREL_I64: memory, int of 8, addend, from site',
  ]);
});

test.each(['plain', 'debug', 'shared', 'threads', 'memory64', 'object'] as const)(
  'objdump sees the same relocations: %s',
  async (variant) => {
    const bytes = await linkedProgram(variant);
    const m = readModule(bytes);
    const symbols = readSymbols(m) ?? [];
    const ours = readRelocations(m).flatMap(({ name, entries }) => [
      `RELOCATION RECORDS FOR [${name.slice('reloc.'.length)}]:`,
      ...entries.map(({ type, offset, index, addend }) => {
        const symbol = symbols[index];
        const target =
          type.target === 'type' ? index : (symbol?.name ?? m.sections[symbol?.index ?? -1]?.name);
        return `${offset.toString(16)} R_WASM_${type.name} ${target}${addend < 0 ? '' : '+'}${addend}`;
      }),
    ]);
    const theirs = (await objdump('-r', bytes)).map((line) =>
      line.replace(/^0+(?=[0-9a-f])/, '').replace(/ +/g, ' '),
    );
    expect(ours.length).toBeGreaterThan(10);
    expect(ours).toEqual(theirs);
  },
);

describe('relocations of a linked module are sound', () => {
  test.each([
    ['plain', { relocations: 27, unverified: 0 }],
    ['debug', { relocations: 27, unverified: 0 }],
    ['memory64', { relocations: 27, unverified: 0 }],
    ['shared', { relocations: 30, unverified: 9 }],
    ['threads', { relocations: 27, unverified: 4 }],
  ] as const)('%s', async (variant, counts) => {
    expect(checkRelocations(readModule(await linkedProgram(variant)))).toEqual({ kind: 'sound', ...counts });
  });

  test('in a WASI command with its libc too', async () => {
    const m = readModule(await compileC(command, { flags: ['-Wl,--emit-relocs'] }));
    const check = checkRelocations(m);
    expect(check).toEqual({ kind: 'sound', relocations: expect.any(Number), unverified: 2 });
    expect(check.kind === 'sound' && check.relocations).toBeGreaterThan(500);
  });

  test('with exceptions, whose tags are relocated', async () => {
    const source = `
      void fail(int code) { __builtin_wasm_throw(0, (void *)(long)code); }
      __attribute__((export_name("go"))) void go(int i) { if (i > 3) fail(i); }`;
    const link = ['-nostdlib', '-Wl,--no-entry,--emit-relocs,--unresolved-symbols=import-dynamic'];
    const m = readModule(
      await compileC(source, { flags: ['-mexception-handling', '-fwasm-exceptions', ...link] }),
    );
    const types = readRelocations(m).flatMap((s) => s.entries.map((e) => e.type.name));
    expect(types).toContain('TAG_INDEX_LEB');
    expect(checkRelocations(m)).toEqual({ kind: 'sound', relocations: types.length, unverified: 0 });
  });
});

test('a distance from the field itself is checked in its own segment and across two', async () => {
  const source = `
    .section .data.here,"",@
  here: .int32 there-here
        .int32 beyond-here
    .size here, 8
    .section .data.there,"",@
  there: .int32 7
    .size there, 4
    .section .rodata.beyond,"",@
  beyond: .int32 9
    .size beyond, 4
    .globl go
    .section .text.go,"",@
    .functype go () -> (i32)
    .export_name go, go
  go: .functype go () -> (i32)
    i32.const here
    end_function`;
  const flags = ['-nostdlib', '-Wl,--no-entry,--emit-relocs'];
  const bytes = await compileC(source, { fileName: 'main.s', flags });
  const m = readModule(bytes);
  const data = readRelocations(m).find((s) => s.name === 'reloc.DATA');
  expect(data?.entries.map((e) => e.type.name)).toEqual(['MEMORY_ADDR_LOCREL_I32', 'MEMORY_ADDR_LOCREL_I32']);
  expect(checkRelocations(m)).toEqual({ kind: 'sound', relocations: 3, unverified: 0 });
  const moved = bytes.slice();
  moved[(data?.target?.payload ?? 0) + (data?.entries[1]?.offset ?? 0)] = 1;
  expect(checkRelocations(readModule(moved))).toMatchObject({ kind: 'stale', wrong: 1 });
});

const command = `
  #include <stdio.h>
  #include <stdlib.h>
  int main(int count, char **words) { return printf("%d\\n", atoi(words[0])) + count; }`;

describe('relocations are stale', () => {
  test('after an optimiser rewrote the code and kept them', async () => {
    const module = binaryen.readBinary(await linkedProgram('plain'));
    module.optimize();
    const m = readModule(module.emitBinary());
    module.dispose();
    expect(m.sections.map((s) => s.name)).toEqual(expect.arrayContaining(['linking', 'reloc.CODE']));
    const check = checkRelocations(m);
    expect(check).toMatchObject({ kind: 'stale', relocations: 27 });
    if (check.kind !== 'stale') return;
    expect(check.wrong).toBeGreaterThan(15);
    expect(check.faults).toHaveLength(8);
    expect(check.faults[0]).toMatchObject({ section: 'reloc.CODE', type: 'MEMORY_ADDR_LEB' });
  });

  test('after a mere round trip, which drops the padding', async () => {
    const module = binaryen.readBinary(await linkedProgram('memory64'));
    const m = readModule(module.emitBinary());
    module.dispose();
    expect(checkRelocations(m)).toMatchObject({ kind: 'stale', relocations: 27 });
  });

  test('when one call goes elsewhere: the fault names the site, what it holds and what it should', async () => {
    const { m, at } = await firstCall();
    const bytes = m.bytes.slice();
    bytes.set(new Writer().padded(2, 5).view(), at);
    expect(checkRelocations(readModule(bytes))).toEqual({
      kind: 'stale',
      relocations: 27,
      wrong: 1,
      faults: [
        {
          section: 'reloc.CODE',
          type: 'FUNCTION_INDEX_LEB',
          offset: at,
          what: 'the field holds 2, "imported" is 0',
        },
      ],
    });
  });

  test('when a field lost its padding', async () => {
    const { m, at } = await firstCall();
    const bytes = m.bytes.slice();
    bytes.set([0, 0x01, 0x01, 0x01, 0x01], at); // call 0, then nops
    expect(checkRelocations(readModule(bytes))).toMatchObject({
      wrong: 1,
      faults: [{ offset: at, what: 'the field is no LEB128 of 5 bytes' }],
    });
  });

  test.each([
    ['a section that there is not', 90, 'its target is missing, which holds no fields'],
    ['a section without code or data', 0, 'its target is section "type", which holds no fields'],
  ])('when they belong to %s', async (_, target, what) => {
    const m = readModule(await linkedProgram('plain'));
    const own = m.sections.find((s) => s.name === 'reloc.CODE');
    const bytes = m.bytes.slice();
    bytes[own?.payload ?? 0] = target;
    expect(checkRelocations(readModule(bytes))).toMatchObject({
      kind: 'stale',
      wrong: 21,
      faults: [{ section: 'reloc.CODE', what }],
    });
  });

  async function firstCall(): Promise<{ m: WasmModule; at: number }> {
    const m = readModule(await linkedProgram('plain'));
    const code = readRelocations(m).find((s) => s.name === 'reloc.CODE');
    const entry = code?.entries.find((e) => e.type.name === 'FUNCTION_INDEX_LEB');
    return { m, at: (code?.target?.payload ?? 0) + (entry?.offset ?? 0) };
  }
});

test('a module without relocations says what it lacks', async () => {
  expect(checkRelocations(readModule(await linkedProgram('stripped')))).toEqual({
    kind: 'none',
    missing: 'linking',
  });
  const module = new Writer().raw(wat('(module)')).custom('linking', [2]).toBytes();
  expect(checkRelocations(readModule(module))).toEqual({ kind: 'none', missing: 'reloc.CODE' });
});

describe('relocations that cannot be read', () => {
  const reloc = (...payload: number[]): WasmModule =>
    readModule(new Writer().raw(wat('(module)')).custom('reloc.CODE', payload).toBytes());

  test.each([
    ['a type that nobody knows', [0, 1, 28, 0, 0, 0]],
    ['more entries than bytes', [0, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['an entry without its addend', [0, 1, 3, 0, 0]],
    ['a byte too many', [0, 0, 0]],
    ['an addend beyond 32 bits', [0, 1, 3, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f]],
  ])('%s', (_, payload) => {
    expect(() => readRelocations(reloc(...payload))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});

describe('a relocated field', () => {
  const type = (name: string) => {
    const found = relocationTypes.find((t) => t.name === name);
    if (found === undefined) throw new Error(`no type ${name}`);
    return found;
  };

  test.each([
    ['FUNCTION_INDEX_LEB', [0x85, 0x80, 0x80, 0x80, 0x00], 5],
    ['MEMORY_ADDR_LEB', [0xff, 0xff, 0xff, 0xff, 0x0f], 0xffffffff],
    ['MEMORY_ADDR_SLEB', [0xff, 0xff, 0xff, 0xff, 0x7f], -1],
    ['MEMORY_ADDR_LEB64', [0x83, ...Array(8).fill(0x80), 0x00], 3],
    ['MEMORY_ADDR_SLEB64', [0xfe, ...Array(8).fill(0xff), 0x7f], -2],
    ['TABLE_INDEX_I32', [1, 2, 0, 0], 513],
    ['MEMORY_ADDR_I64', [1, 0, 0, 0, 1, 0, 0, 0], 0x1_0000_0001],
    ['FUNCTION_INDEX_LEB', [0x05, 0x80, 0x80, 0x80, 0x00], undefined],
    ['FUNCTION_INDEX_LEB', [0x85, 0x80, 0x80, 0x80, 0x80], undefined],
    ['FUNCTION_INDEX_LEB', [0xff, 0xff, 0xff, 0xff, 0x1f], undefined],
    ['FUNCTION_INDEX_LEB', [0x85, 0x80, 0x80, 0x00], undefined],
    ['TABLE_INDEX_I32', [1, 2, 0], undefined],
  ])('%s of %j is %s', (name, bytes, value) => {
    expect(readRelocated(new Uint8Array(bytes), 0, type(name))).toBe(value);
  });
});
