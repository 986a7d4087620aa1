// What debug information says of a program, as compilers write it: DWARF 3 to 5, C and C++. llvm-dwarfdump, where it is
// installed, is the second opinion.

import { describe, expect, test } from 'vitest';
import { DebugInfo, type Member, type StructLayout } from '../../../src/build/dwarf/index.ts';
import { readModule, sectionIds } from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';
import {
  compileDebug,
  cPlusPlus,
  cPlusPlusFlags,
  everyClass,
  everyMember,
} from '../../support/debug-builds.ts';
import { type DumpedEntry, dumpInfo, dwarfdump } from '../../support/dwarfdump.ts';

function infoOf(wasm: Uint8Array): DebugInfo {
  const info = DebugInfo.read(readModule(wasm));
  if (info === undefined) throw new Error('the build has no debug information');
  return info;
}

/** `name@offset:size type`, a bit field as `name@offset.bit:bits type`. */
function showMember({ name, offset, bits, size, type }: Member): string {
  return `${name}@${bits === undefined ? `${offset}:${size}` : `${offset}.${bits.first}:${bits.count}`} ${type}`;
}

function show(layouts: readonly StructLayout[]): Record<string, readonly (string | number | undefined)[]> {
  return Object.fromEntries(
    layouts.map((l) => [`${l.kind} ${l.name}`, [l.size, ...l.members.map(showMember)]]),
  );
}

/** Where the functions of a module were written, in the order of their indices. */
function sources(wasm: Uint8Array): unknown[] {
  const module = readModule(wasm);
  const info = infoOf(wasm);
  return module.bodies.map((_, i) => info.sourceOf(module.imported.func + i));
}

const membersOfNode = [
  'next@0:4 struct node *',
  'name@4:4 const byte *',
  'corners@8:16 pair[2]',
  'colour@24:4 enum colour',
  'place@28:8 struct {...}',
  'place.x@28:2 short',
  'place.whole@32:4 int',
  'place.half@32:4 struct {...}',
  'place.half.low@32:2 short',
  'place.half.high@34:2 short',
  'big@40:8 long long',
  'compute@48:4 (function) *',
  'weights@52:48 volatile float[3][4]',
  'value@100:12 union number',
  'flags@112:8 struct bits',
  'last@120:1 _Bool',
  'rest@121:0 char[]',
];

describe.each(['-gdwarf-3', '-gdwarf-4', '-gdwarf-5'])('%s', (version) => {
  test('structs of C: nameless ones, unions, arrays, bit fields, typedefs, local ones', async () => {
    const layouts = infoOf(await compileDebug(everyMember, [version])).structLayouts();
    expect(show(layouts)).toEqual({
      'struct node': [128, ...membersOfNode],
      'struct pair': [8, 'left@0:4 int', 'right@4:4 int'],
      'union number': [12, 'i@0:4 int', 'f@0:4 float', 'text@0:12 char[12]'],
      'struct bits': [8, 'a@0.0:3 unsigned int', 'b@0.3:7 unsigned int', 'c@4.0:20 int', 'd@7:1 byte'],
      'struct sum()::local': [4, 'of@0:4 int'],
    });
    expect(new Set(layouts.map((l) => `${l.unit} ${l.file}`))).toEqual(new Set(['main.c main.c']));
  });

  test('functions stand where they are declared', async () => {
    expect(sources(await compileDebug(everyMember, [version]))).toEqual([
      { file: 'main.c', line: 24 },
      { file: 'main.c', line: 29 },
    ]);
  });

  test('classes of C++: bases, virtual ones, templates, namespaces', async () => {
    const wasm = await compileDebug(everyClass, [...cPlusPlusFlags, version], cPlusPlus);
    expect(show(infoOf(wasm).structLayouts())).toEqual({
      'class shop::Base': [8, '_vptr$Base@0:4 (function) * *', 'base_@4:4 int'],
      'class shop::Item': [
        48,
        '(base class Base)@0:8 class Base',
        '(base struct Mixin)@8:2 struct Mixin',
        'tag@10:3 struct Tag',
        'ref@16:4 int &',
        'box@24:16 struct Box<double>',
        'member@40:4 int ::*',
      ],
      'struct shop::Item::Tag': [3, 'text@0:3 char[3]'],
      'struct shop::Mixin': [2, 'kind@0:2 short'],
      'struct shop::Box<double>': [16, 'value@0:8 double', 'tag@8:1 char'],
      'struct shop::(anonymous)::Hidden': [4, 'x@0:4 int'],
      'struct V': [
        12,
        '(base struct Mixin)@undefined:2 struct Mixin',
        '_vptr$V@0:4 (function) * *',
        'own@4:4 int',
      ],
    });
  });
});

test('with line tables only, a function stands where its code starts, and is not said to be described', async () => {
  const wasm = await compileDebug(everyMember, ['-gline-tables-only']);
  const info = infoOf(wasm);
  expect(info.structLayouts()).toEqual([]);
  expect(sources(wasm)).toEqual([
    { file: 'main.c', line: 25 },
    { file: 'main.c', line: 29 },
  ]);
  expect([0, 1].map((i) => info.describes(i))).toEqual([false, false]);
});

test('files in folders, and headers, are named from where the compiler ran', async () => {
  const text = `#line 1 "./lib/shared.h"
struct shared { int a; };
static __attribute__((noinline)) int get(struct shared *s) { return s->a; }
#line 7 "main.c"
__attribute__((export_name("f"))) int f(struct shared *s) { return get(s) * 2; }
`;
  for (const version of ['-gdwarf-4', '-gdwarf-5']) {
    const wasm = await compileDebug(text, [version]);
    expect(infoOf(wasm).structLayouts()).toMatchObject([
      { name: 'shared', unit: 'main.c', file: 'lib/shared.h' },
    ]);
    expect(sources(wasm)).toEqual([
      { file: 'main.c', line: 7 },
      { file: 'lib/shared.h', line: 2 },
    ]);
  }
});

test('a build without debug information, or stripped of it, has none', async () => {
  for (const flags of [['-g0'], ['-g', '-Wl,--strip-debug']])
    expect(DebugInfo.read(readModule(await compileDebug(everyMember, flags)))).toBe(undefined);
});

/** What the entry's children of a kind are. */
function children(entries: readonly DumpedEntry[], at: number): DumpedEntry[] {
  const found: DumpedEntry[] = [];
  const parent = entries[at]?.depth ?? 0;
  for (const e of entries.slice(at + 1)) {
    if (e.depth <= parent) break;
    if (e.depth === parent + 2) found.push(e);
  }
  return found;
}

const unquoted = (text: string | undefined): string | undefined => text?.replace(/^"(.*)"$/, '$1');

/** `struct name size: member@bit ...` of each named struct, in their order. */
function dumpedStructs(entries: readonly DumpedEntry[]): string[] {
  return entries.flatMap(({ tag, attributes: a }, at) => {
    const kind = /^(structure|union|class)_type$/.exec(tag)?.[1];
    if (kind === undefined || a['declaration'] !== undefined || a['name'] === undefined) return [];
    const members = children(entries, at).flatMap(({ tag: t, attributes: m }) => {
      if (t !== 'member' || m['name'] === undefined || m['declaration'] !== undefined) return [];
      const bit = Number(m['data_bit_offset'] ?? 8 * Number(m['data_member_location'] ?? 0));
      return [`${unquoted(m['name'])}@${bit}`];
    });
    return [`${kind} ${unquoted(a['name'])} ${Number(a['byte_size'])}: ${members.join(' ')}`];
  });
}

function ownStructs(layouts: readonly StructLayout[], names: ReadonlySet<string>): string[] {
  return layouts.flatMap(({ kind, name, size, members }) => {
    const last = name.split('::').at(-1) ?? '';
    if (!names.has(last)) return [];
    const own = members.filter((m) => !m.name.includes('.') && !m.name.startsWith('('));
    const shown = own.map((m) => `${m.name}@${8 * (m.offset ?? 0) + (m.bits?.first ?? 0)}`);
    return [`${kind === 'struct' ? 'structure' : kind} ${last} ${size}: ${shown.join(' ')}`];
  });
}

describe.skipIf(dwarfdump === undefined)('as llvm-dwarfdump reads it', () => {
  // `big` stands in a nameless member, which dwarfdump shows as such.
  const withoutNameless = everyMember.replace('struct { long long big; };', 'long long big;');
  const withLibc =
    '#include <stdio.h>\n#include <time.h>\nint main(void) { struct tm t = {0}; return printf("%d", t.tm_year); }\n';
  test.each([
    ['C, DWARF 4', () => compileDebug(withoutNameless, ['-gdwarf-4'])],
    ['C, DWARF 5', () => compileDebug(withoutNameless, ['-gdwarf-5'])],
    ['C++', () => compileDebug(everyClass, cPlusPlusFlags, cPlusPlus)],
    ['with libc', () => compileC(withLibc, { flags: ['-g', '-Wl,--emit-relocs'] })],
  ] as const)('%s', async (_, compile) => {
    const wasm = await compile();
    const entries = await dumpInfo(wasm);
    const names = new Set(entries.flatMap((e) => unquoted(e.attributes['name']) ?? []));
    const structs = dumpedStructs(entries);
    expect(structs.length).toBeGreaterThan(0);
    expect(ownStructs(infoOf(wasm).structLayouts(), names).filter((s) => !s.includes(' pair '))).toEqual(
      structs,
    );
    const lines = dumpedLines(wasm, entries);
    expect(lines.size).toBeGreaterThan(0);
    expect(ownLines(wasm, lines.keys())).toEqual(lines);
  });
});

/** `line` of each function that has a declaration and code, by its index. */
function dumpedLines(wasm: Uint8Array, entries: readonly DumpedEntry[]): Map<number, number> {
  const module = readModule(wasm);
  const code = module.sections.find((s) => s.id === sectionIds.code)?.payload ?? 0;
  const found = new Map<number, number>();
  for (const { tag, attributes: a } of entries) {
    if (tag !== 'subprogram' || a['low_pc'] === undefined || a['decl_line'] === undefined) continue;
    const body = module.bodies.findIndex((b) => b.start === code + Number(a['low_pc']));
    if (body >= 0) found.set(module.imported.func + body, Number(a['decl_line']));
  }
  return found;
}

function ownLines(wasm: Uint8Array, functions: Iterable<number>): Map<number, number | undefined> {
  const info = infoOf(wasm);
  return new Map([...functions].map((i) => [i, info.sourceOf(i)?.line]));
}
