// What diffBuilds says of two builds: whole answers, so that nothing is said twice or left out.

import { describe, expect, test } from 'vitest';
import { type BuildDiff, diffBuilds, isUnchanged } from '../../../src/build/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { compileDiff, library, sourcesOf } from '../../support/two-builds.ts';

const macros = `
#define NOINLINE __attribute__((noinline))
#define EXPORT(name) __attribute__((noinline, export_name(#name)))
`;
const nothing: BuildDiff = {
  changed: [],
  along: [],
  added: [],
  removed: [],
  lines: [],
  data: [],
  refused: [],
  notes: [],
};
const notes = ['no debug information: struct layouts were not compared; build both with -g'];

async function diff(
  source: string,
  more: Parameters<typeof diffBuilds>[0] | object = {},
): Promise<BuildDiff> {
  return diffBuilds({ ...(await compileDiff(macros + source)), ...more });
}

/** Without indices, which the C library decides. */
function plain({ changed, ...rest }: BuildDiff): object {
  return {
    ...rest,
    changed: changed.map(({ name, how, first, hasSlot }) => ({ name, how, first, hasSlot })),
  };
}

const everySlot = { prepare: { slots: 'all' } } as const;

describe('diffBuilds', () => {
  test('nothing changed', async () => {
    const found = await diff('EXPORT(one) int one(void) { return 1; }');
    expect(found).toEqual(nothing);
    expect(isUnchanged(found)).toBe(true);
  });

  test('changed, new and removed functions, and the instructions that differ first', async () => {
    const found = await diff(
      `
      static int calls;
-     static NOINLINE int before(int x) { return x * 3 + calls; }
+     static NOINLINE int after(int x) { return x * 5 + calls; }
-     EXPORT(limit) int limit(int n) { calls++; return n > 10 ? before(n) : n; }
+     EXPORT(limit) int limit(int n) { calls++; return n > 20 ? after(n) : n; }
      EXPORT(same) int same(void) { return calls; }
-     EXPORT(say) const char *say(void) { return "hello"; }
+     EXPORT(say) const char *say(void) { return "good day"; }
      `,
      everySlot,
    );
    expect(plain(found)).toEqual({
      ...nothing,
      notes,
      changed: [
        { name: 'limit', how: 'body', first: { old: 'i32.const 11', new: 'i32.const 21' }, hasSlot: true },
        {
          name: 'say',
          how: 'body',
          first: { old: 'i32.const &.L.str ("hello")', new: 'i32.const &.L.str ("good day")' },
          hasSlot: true,
        },
      ],
      added: ['after'],
      removed: ['before'],
    });
    expect(isUnchanged(found)).toBe(false);
  });

  test('a callee without a slot brings its callers, and a changed signature is shown as such', async () => {
    const found = await diff(`
      static int calls;
-     static NOINLINE int leaf(int x) { return x + 1; }
+     static NOINLINE int leaf(long long x) { return (int)x + 2; }
      EXPORT(outer) int outer(int x) { calls++; return leaf(x) * 10; }
    `);
    expect(plain(found)).toEqual({
      ...nothing,
      notes,
      changed: [
        {
          name: 'outer',
          how: 'body',
          first: { old: 'call $leaf', new: 'i64.extend_i32_s' },
          hasSlot: true,
        },
        {
          name: 'leaf',
          how: 'type',
          first: { old: '(i32) -> i32', new: '(i64) -> i32' },
          hasSlot: false,
        },
      ],
    });
  });

  test('functions that come along are named with the callee that brings them', async () => {
    const found = await diff(`
      static int calls;
-     static NOINLINE int leaf(int x) { return x + 1; }
+     static NOINLINE int leaf(int x) { return x + 2; }
      EXPORT(outer) int outer(int x) { calls++; return leaf(x) * 10; }
    `);
    expect(found).toMatchObject({
      changed: [{ name: 'leaf', hasSlot: false, first: { old: 'i32.const 1', new: 'i32.const 2' } }],
      along: [{ name: 'outer', because: 'leaf' }],
      refused: [],
    });
  });

  test('changed variables are all listed, and what was not asked to be kept is refused', async () => {
    const source = `
-     int limit = 10;
+     int limit = 20;
-     char name[4] = "abc";
+     char name[8] = "abc";
      EXPORT(get) int get(void) { return limit + name[0]; }
      EXPORT(set) void set(int n) { limit = n; name[0] = n; }
    `;
    const data = [
      { name: 'limit', how: 'value', oldSizeBytes: 4, newSizeBytes: 4, kept: false },
      { name: 'name', how: 'size', oldSizeBytes: 4, newSizeBytes: 8, kept: false },
    ];
    const codes = (found: BuildDiff): string[] => found.refused.map((r) => r.message);
    const found = await diff(source);
    expect({ ...found, refused: codes(found) }).toEqual({
      ...nothing,
      data,
      refused: [
        'the variable "limit" starts with another value in the new build; the running program keeps what it has',
        'the variable "name" has another size: 4 bytes became 8',
      ],
    });
    const kept = await diff(source, { keepData: ['limit'] });
    expect(kept.data.map((d) => [d.name, d.kept])).toEqual([
      ['limit', true],
      ['name', false],
    ]);
    expect(codes(kept)).toEqual(['the variable "name" has another size: 4 bytes became 8']);
  });

  test('what no patch can do is refused with the function that it is about', async () => {
    const found = await diff(`
      static int state;
-     EXPORT(run) int run(int x) { return x + state; }
+     EXPORT(run) int run(long long x) { return (int)x + state; }
      EXPORT(set) void set(int x) { state = x; }
    `);
    expect(found.refused).toMatchObject([
      { code: 'WGRAFT_ERR_SIGNATURE_CHANGED', function: 'run.command_export' },
    ]);
  });

  test('with debug information, changed functions have a place in the source, and changed structs are refused', async () => {
    const [old, next] = sourcesOf(`${macros}
      struct point { int x; int y; };
-     struct pair { int a; int b; };
+     struct pair { int a; int c; int b; };
      struct pair last;
      EXPORT(put) void put(int n) { last.a = n; last.b = n * 2; }
      EXPORT(get) int get(void) { return last.b + last.a; }
    `);
    const flags = [...library, '-g'];
    const found = await diffBuilds({
      old: await compileC(old, { flags }),
      new: await compileC(next, { flags }),
    });
    expect(found.changed.map(({ name, source }) => ({ name, source }))).toContainEqual({
      name: 'get',
      source: { file: expect.stringContaining('main.c'), line: 9 },
    });
    expect(found.refused.map((r) => r.code)).toContain('WGRAFT_ERR_LAYOUT_CHANGED');
  });

  test('line numbers of assertions change nothing, and are told', async () => {
    const found = await diff(`
      #include <assert.h>
+     /* a line */
      EXPORT(check) int check(int x) { assert(x > 0); return x; }
    `);
    expect(found).toEqual({ ...nothing, lines: ['check'] });
  });
});
