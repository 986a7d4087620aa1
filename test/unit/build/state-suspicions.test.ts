// Builds without debug information, in which only code shows that objects which are alive do not fit the new code: fields that moved,
// constants that became variables. What is convincing is refused until a person says otherwise; fixes that only look alike are not.

import { describe, expect, test } from 'vitest';
import { diffBuilds } from '../../../src/build/index.ts';
import {
  type Builds,
  type Call,
  compileDiff,
  everySlot,
  lookThrice,
  macros,
  patchOf,
  refusal,
} from '../../support/two-builds.ts';

const compile = (diff: string, ...flags: readonly string[]): Promise<Builds> =>
  compileDiff(`${macros}\n${diff}`, { flags });

const notesOf = async (builds: Builds, choices = {}): Promise<readonly string[]> =>
  (await patchOf(builds, { ...everySlot, ...choices })).report.notes;

describe('a struct without debug information', () => {
  const shapes = `
    typedef struct {
      int id;
+     int colour;
      int width, height;
    } Shape;
    static Shape *shapes[8];
    static Shape pool[8];
    EXPORT(add) void add(int i, int w, int h) {
      Shape *s = shapes[i] = &pool[i]; s->width = w; s->height = h;
    }
    EXPORT(area) int area(int i) { Shape *s = shapes[i]; return s->width * s->height; }
  `;

  /** So that no variable has the size of the struct. */
  const inOwnMemory = shapes
    .replace('static Shape pool[8]', 'static char memory[512]')
    .replace('&pool[i]', '(Shape *)(memory + 32 * i)');

  test('grows in the middle: the fields behind are elsewhere, and that is refused', async () => {
    const builds = await compile(inOwnMemory);
    expect(await refusal(builds, everySlot)).toMatchInlineSnapshot(
      `"WGRAFT_ERR_LAYOUT_SUSPECTED (exit 4): a struct seems to have another layout, and objects that are alive have the old one: the same code now looks 4 bytes further on for what was at offset 4, 8 (in "area")"`,
    );
    const { refused } = await diffBuilds({ ...builds, ...everySlot });
    expect(refused.map((r) => [r.code, r.hint])).toMatchInlineSnapshot(`
      [
        [
          "WGRAFT_ERR_LAYOUT_SUSPECTED",
          "build both with -g: then the struct is named; if no object of it is alive when the patch is applied: --allow-layout all",
        ],
      ]
    `);
  });

  test('where a variable has that type, its size is a second reason', async () => {
    const { refused } = await diffBuilds({ ...(await compile(shapes)), ...everySlot });
    expect(refused.map((r) => r.code)).toEqual(['WGRAFT_ERR_LAYOUT_SUSPECTED', 'WGRAFT_ERR_DATA_CHANGED']);
  });

  test('no object of it is alive: allowed, and the patch does what the new build does', async () => {
    const builds = await compile(inOwnMemory);
    const look = (call: Call): unknown => {
      call('add', 1, 6, 7);
      return call('area', 1);
    };
    const choices = { ...everySlot, allowLayouts: 'all' } as const;
    expect(await lookThrice(builds, look, choices)).toEqual([42, 42, 42]);
    expect(await notesOf(builds, { allowLayouts: 'all' })).toContainEqual(
      expect.stringMatching(/^this was allowed: a struct seems to have another layout/),
    );
  });

  test('with debug information, that says it, by name', async () => {
    const builds = await compile(shapes, '-g');
    expect(await refusal(builds, everySlot)).toMatch(/^WGRAFT_ERR_LAYOUT_CHANGED .*"?Shape/);
  });

  test('one field where another one was meant is a fix, and is told', async () => {
    const builds = await compile(`
      typedef struct { int used, size, limit; } Buffer;
-     EXPORT(room) int room(Buffer *b) { return b->size - b->used; }
+     EXPORT(room) int room(Buffer *b) { return b->limit - b->used; }
    `);
    expect(await notesOf(builds)).toContainEqual(
      expect.stringMatching(
        /^if no other field is meant, a struct seems to have another layout.*looks 4 bytes further on for what was at offset 4 \(in "room"\)$/,
      ),
    );
  });

  test('local variables that moved within their frame are no struct', async () => {
    const builds = await compile(`
      EXPORT(fill) NOINLINE void fill(char *a, char *b, int n) { for (int i = 0; i < n; i++) a[i] = b[i] = n; }
      EXPORT(sum) int sum(int n) {
-       char first[8], second[24];
+       char first[24], second[8];
        fill(first, second, n);
        return first[1] + second[1] + first[2] + second[2];
      }
    `);
    const notes = await notesOf(builds);
    expect(notes.filter((note) => note.includes('layout') && !note.includes('debug'))).toEqual([]);
  });
});

describe('a constant that became a variable', () => {
  const hash = (seed: string): string => `
    __attribute__((import_module("env"), import_name("random"))) int host_random(void);
+   static int seeded;
+   static unsigned seed${seed};
+   static NOINLINE void start(void) { if (!seeded) { seed = host_random(); seeded = 1; } }
    EXPORT(hash) unsigned hash(unsigned key) {
-     unsigned h = 0x432A9843;
+     start(); unsigned h = seed;
      for (int i = 0; i < 4; i++) h = (h ^ (key & 255)) * 0x1000193, key >>= 8;
      return h;
    }
    EXPORT(keep) unsigned keep(unsigned n) { return n + (unsigned)host_random(); }
  `;
  const imports = { env: { random: () => 7 } };

  test('what was hashed with the constant would not be found: refused', async () => {
    const builds = await compile(hash(''));
    expect(await refusal(builds, everySlot)).toMatchInlineSnapshot(
      `"WGRAFT_ERR_CONSTANT_REPLACED (exit 4): "hash" reads the new variables seed, seeded where it had the constant 1126864963: what the program made with that may not be found with another value"`,
    );
    const { refused } = await diffBuilds({ ...builds, ...everySlot });
    expect(refused.map((r) => [r.code, r.function, r.hint])).toMatchInlineSnapshot(`
      [
        [
          "WGRAFT_ERR_CONSTANT_REPLACED",
          "hash",
          "if nothing that is alive was made with the constant: --allow-new-state seed; else a fix that keeps it, or a restart",
        ],
      ]
    `);
  });

  test.each([['seed'], ['seeded'], ['all']])('allowed with "%s"', async (name) => {
    const builds = await compile(hash(''));
    const allowNewState = name === 'all' ? name : [name];
    const look = (call: Call): unknown => call('hash', 1234567);
    const [before, patched, after] = await lookThrice(builds, look, { ...everySlot, allowNewState }, imports);
    expect(patched).not.toBe(before);
    expect(after).toBe(before);
  });

  test('another name allows nothing', async () => {
    const builds = await compile(hash(''));
    expect(await refusal(builds, { ...everySlot, allowNewState: ['other'] })).toMatch(
      /^WGRAFT_ERR_CONSTANT_REPLACED/,
    );
  });

  test('the variable starts with that constant: nothing is lost', async () => {
    const builds = await compile(`
+     unsigned seed = 0x432A9843;
-     EXPORT(hash) unsigned hash(unsigned key) { return key * 31 ^ 0x432A9843; }
+     EXPORT(hash) unsigned hash(unsigned key) { return key * 31 ^ seed; }
+     EXPORT(set_seed) void set_seed(unsigned s) { seed = s; }
    `);
    expect(await notesOf(builds)).toContainEqual(expect.stringContaining("new build's values"));
  });

  test('a counter beside small constants that change is an ordinary fix', async () => {
    const builds = await compile(`
+     static int calls;
-     EXPORT(limit) int limit(int n) { return n > 100 ? 100 : n; }
+     EXPORT(limit) int limit(int n) { return n > 200 ? 200 : n + (++calls > 9); }
    `);
    expect(await notesOf(builds)).toContainEqual(expect.stringContaining('calls'));
  });
});
