// Where the linker left relocations, a body's hash does not change because something else moved, and does change when
// the body or a string that it uses does.

import { beforeAll, describe, expect, test } from 'vitest';
import { findSlotMap, type HashKind } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { findCustom, readSections, Writer } from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';

const flags = ['-nostdlib', '-Wl,--no-entry', '-Wl,--emit-relocs', '-Wl,--allow-undefined'];

const source = (first: string, greeting: string, factor: number): string => `
  #define NOINLINE __attribute__((noinline))
  void puts(const char *);
  static int calls[4];
  int table[3] = { 1, 2, 3 };
  ${first}
  NOINLINE static int scale(int x) { calls[1]++; return x * ${factor}; }
  NOINLINE static int other(int x) { calls[2] += x; return calls[1] + table[x & 1]; }
  NOINLINE void greet(void) { puts("${greeting}"); puts("bye"); }
  NOINLINE int (*pick(int x))(int) { return x ? scale : other; }
  __attribute__((export_name("work"))) int work(int x) { greet(); return pick(x)(x) + scale(x); }`;

interface Hashes {
  readonly kind: HashKind | undefined;
  readonly of: Record<string, string>;
}

async function hashesOf(bytes: Uint8Array): Promise<Hashes> {
  const map = findSlotMap((await prepare(bytes)).bytes);
  const of = map?.functions.map((f) => [f.name, Buffer.from(f.hash).toString('hex')]) ?? [];
  return { kind: map?.hash, of: Object.fromEntries(of) };
}

const build = (first: string, greeting: string, factor: number): Promise<Uint8Array> =>
  compileC(source(first, greeting, factor), { flags });

const changed = (a: Hashes, b: Hashes): string[] =>
  Object.keys({ ...a.of, ...b.of })
    .filter((name) => a.of[name] !== b.of[name])
    .sort();

describe('relocated hashes', () => {
  let bytes: Uint8Array;
  let base: Hashes;

  beforeAll(async () => {
    bytes = await build('', 'hello', 3);
    base = await hashesOf(bytes);
  });

  test('are there where the linker left relocations', () => {
    expect(base.kind).toBe('relocated');
    expect(Object.keys(base.of).sort()).toEqual(['greet', 'other', 'pick', 'scale', 'work']);
  });

  test('do not change when functions, data and strings move', async () => {
    const first = `char big[1000] = { 1 }; NOINLINE double early(double d) { puts("a new string"); return d + big[3]; }
      __attribute__((export_name("late"))) double late(double d) { return early(d); }`;
    const moved = await hashesOf(await build(first, 'hello', 3));
    expect(changed(base, moved)).toEqual(['early', 'late']);
  });

  test('change with the code and with the content of a string', async () => {
    expect(changed(base, await hashesOf(await build('', 'hello', 5)))).toEqual(['scale']);
    expect(changed(base, await hashesOf(await build('', 'HELLO', 3)))).toEqual(['greet']);
  });

  test('are plain ones where the relocations are not those of the code', async () => {
    const section = findCustom(readSections(bytes), 'reloc.CODE');
    if (section === undefined) throw new Error('no reloc.CODE');
    const stale = bytes.slice();
    // The last byte of the section: the addend or the symbol of the last relocation.
    stale[section.end - 1] = (stale[section.end - 1] ?? 0) ^ 1;
    expect((await hashesOf(stale)).kind).toBe('plain');
    const garbage = new Writer(bytes.length).raw(bytes.subarray(0, section.start));
    garbage.custom('reloc.CODE', [1, 255, 255, 3]);
    expect((await hashesOf(garbage.toBytes())).kind).toBe('plain');
  });
});
