// Structs whose layout the new build changes: live objects have the old one, so the patch is refused, with what changed in
// words; and what is no change. Debug information says where replaced functions were written, too.

import { describe, expect, test } from 'vitest';
import type { BuiltPatch } from '../../../src/build/index.ts';
import { WgraftError } from '../../../src/errors.ts';
import { type BuildChoices, type Builds, compileDiff, patchOf, run } from '../../support/two-builds.ts';

/** A program around a struct, whose members the diff in `members` changes; what it computes changes, too. */
function program(members: string, kind = 'struct', before = ''): string {
  return `#include <stdlib.h>
${before}
${kind} item {
${members}
};
${kind} item *last;
__attribute__((export_name("make"))) void make(int n) {
  last = calloc(1, sizeof *last);
  last->a = n;
}
__attribute__((export_name("get"))) int get(void) {
-  return last->a;
+  return last->a + 1000 + (int)sizeof *last;
}
`;
}

const debug = { flags: ['-g'] };
const everywhere = { prepare: { slots: 'all' } } as const;

function build(builds: Builds, choices: BuildChoices = {}): Promise<BuiltPatch> {
  return patchOf(builds, { ...everywhere, ...choices });
}

async function errorOf(builds: Builds, choices: BuildChoices = {}): Promise<WgraftError> {
  const error: unknown = await build(builds, choices).then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!WgraftError.is(error)) throw new Error(`no WgraftError but ${String(error)}`);
  return error;
}

describe('is refused:', () => {
  test.each([
    [
      'a new member at the end',
      ['  int a;', '  int b;', '+  int c;'],
      ['it grew at its end from 8 to 12 bytes: objects that are alive have no room for "c"'],
    ],
    [
      'one in the middle',
      ['  int a;', '+  short c;', '  int b, d, e;'],
      [
        '"c" (short) is new at byte 4',
        '3 members from "b" to "e" moved 4 bytes further',
        'it grew from 16 to 20 bytes: objects that are alive are too small',
      ],
    ],
    ['one less', ['  int a;', '-  int b;'], ['"b" (int) at byte 4 is gone', 'it shrank from 8 to 4 bytes']],
    [
      'another in its place',
      ['  int a;', '-  char *text;', '+  unsigned length;'],
      ['"text" (char *) at byte 4 is gone, "length" (unsigned int) is there instead'],
    ],
    [
      'the same name for something else',
      [
        '  int a;',
        '-  float *b;',
        '+  float b;',
        '-  char c[4];',
        '+  short c[2];',
        '-  char d[8];',
        '+  char d[6];',
      ],
      ['"b" was float *, is float', '"d" had 8 bytes, has 6 bytes'],
    ],
    [
      'the other order',
      ['  int a;', '-  int b, c;', '+  int c, b;'],
      ['"b" moved from byte 4 to byte 8', '"c" moved from byte 8 to byte 4'],
    ],
    [
      'bit fields',
      ['  int a;', '-  unsigned x : 3, y : 5, z : 1;', '+  unsigned x : 4, y : 5, z : 1;'],
      ['"x" had 3 bits, has 4 bits', '2 members from "y" to "z" moved 1 bit further'],
    ],
    [
      'in a nameless struct',
      ['  int a;', '  struct {', '-    short w;', '+    int w;', '  } in;'],
      ['"in" had 2 bytes, has 4 bytes', '"in.w" had 2 bytes, has 4 bytes'],
    ],
  ])('%s', async (_, members, fields) => {
    const error = await errorOf(await compileDiff(program(members.join('\n')), debug));
    const { code, details, exitCode } = error;
    expect({ code, details, exitCode }).toEqual({
      code: 'WGRAFT_ERR_LAYOUT_CHANGED',
      details: { struct: 'struct item', fields, others: [] },
      exitCode: 4,
    });
    expect(error.message).toBe(
      `the layout of struct item changed, and objects that are alive have the old one: ${fields.join('; ')}`,
    );
    expect(error.hint).toContain('--allow-layout item;');
  });

  test('a union that grew, and the struct that it stands in', async () => {
    const text = program('  int a;\n  union value v;', 'struct', 'union value {\n  int i;\n+  double d;\n};');
    expect((await errorOf(await compileDiff(text, debug))).details).toEqual({
      struct: 'struct item',
      fields: [
        '"v" moved from byte 4 to byte 8 and had 4 bytes, has 8 bytes',
        'it grew from 8 to 16 bytes: objects that are alive are too small',
      ],
      others: ['union value'],
    });
  });
});

const grown = program('  int a;\n+  int b;');

describe('is built:', () => {
  test('where the change is allowed, by name or all; the patch works on objects that it makes itself', async () => {
    const builds = await compileDiff(grown, debug);
    const note =
      'the changed layout of struct item was allowed: it grew at its end from 4 to 8 bytes: objects that are alive have no room for "b"';
    for (const allowLayouts of ['all', ['item'], ['other', 'struct item']] as const)
      expect((await build(builds, { allowLayouts })).report.notes).toEqual([note]);
    expect((await errorOf(builds, { allowLayouts: ['items', 'union item'] })).code).toBe(
      'WGRAFT_ERR_LAYOUT_CHANGED',
    );

    const live = await run(builds.old, everywhere);
    await live.patcher.apply((await build(builds, { allowLayouts: 'all' })).bytes);
    live.call('make', 7);
    expect(live.call('get')).toBe(1015);
  });

  test.each([
    ['nothing of the struct changed', '  int a;', []],
    ['a type of the same kind and size', '  int a;\n-  int b; char *c;\n+  unsigned b; const short *c;', []],
    [
      'a member fills padding',
      '  char a;\n+  char b;\n  int c;',
      ['objects that are alive have no value for new members in their padding: "b" of struct item'],
    ],
  ])('%s', async (_, members, notes) => {
    expect((await build(await compileDiff(program(members), debug))).report.notes).toEqual(notes);
  });

  test('a union that gained a member, a struct that is new, one that is gone, one with another name', async () => {
    const before = `union value { int i;\n+  float f;\n};
-struct before { int i; } *before; typedef struct { int a, b; } one;
+struct after { int i, j; } *after; typedef struct { int a, b, c; } other;
-one *o;
+other *o;`;
    const { report } = await build(
      await compileDiff(program('  int a;\n  union value v;', 'struct', before), debug),
      {
        keepData: 'all',
      },
    );
    expect(report.notes.filter((note) => note.includes('layout'))).toEqual([]);
  });

  test('two source files have a private struct of the same name each: each is compared with its own', async () => {
    const files = {
      'other.c':
        'struct item { char *text; double d; }; static struct item x;\n__attribute__((export_name("x"))) double f(void) { x.d += 1; return x.d; }\n',
    };
    const options = { files, flags: ['-g', 'other.c'] };
    const { report } = await build(await compileDiff(program('  int a;'), options));
    expect(report.notes).toEqual([]);
    expect((await errorOf(await compileDiff(grown, options))).details).toMatchObject({
      struct: 'struct item',
      others: [],
    });
  });
});

describe('where debug information is missing, a note says that layouts were not compared:', () => {
  const nothing = (where: string): string =>
    `no debug information${where}: struct layouts were not compared; build both with -g`;

  test.each([
    ['neither build has it', ['-g0'], ['-g0'], nothing('')],
    ['stripped', ['-g', '-Wl,--strip-debug'], ['-g', '-Wl,--strip-debug'], nothing('')],
    ['only the old build has it', ['-g'], ['-g0'], nothing(' in the new build')],
    ['only the new build has it', ['-g0'], ['-g'], nothing(' in the old build')],
    ['line tables only', ['-gline-tables-only'], ['-gline-tables-only'], nothing('')],
  ])('%s', async (_, forOld, forNew, note) => {
    const [a, b] = [await compileDiff(grown, { flags: forOld }), await compileDiff(grown, { flags: forNew })];
    expect((await build({ old: a.old, new: b.new })).report.notes).toEqual([note]);
  });

  test('one source file was compiled without', async () => {
    const text = `${program('  int a;').replaceAll('__attribute__((', '__attribute__((nodebug, ')}
__attribute__((export_name("more"))) int more(int i) {
-  return i;
+  return i + 1;
}
`;
    const { report } = await build(await compileDiff(text, debug));
    expect(report.notes).toEqual([
      'no debug information for "get": structs that only they use were not compared',
    ]);
    expect(report.functions.map((f) => [f.name, f.source?.line])).toEqual([
      ['get', undefined],
      ['more', 15],
    ]);
  });

  test('it cannot be read', async () => {
    const builds = await compileDiff(grown, debug);
    const damaged = new Uint8Array(builds.new);
    const at = Buffer.from(damaged).indexOf('.debug_info') + '.debug_info'.length;
    damaged[at + 4] = 9; // its version
    const { report } = await build({ ...builds, new: damaged });
    expect(report.notes).toEqual([
      `the debug information of the new build cannot be read, so struct layouts were not compared: debug information of DWARF version 9 is not read (at offset 0x${at.toString(16)})`,
    ]);
  });
});

test('the report says where replaced functions were written', async () => {
  const { report } = await build(await compileDiff(program('  int a;'), debug));
  expect(report.functions.map(({ name, source }) => ({ name, source }))).toEqual([
    { name: 'get', source: { file: 'main.c', line: 11 } },
  ]);
});
