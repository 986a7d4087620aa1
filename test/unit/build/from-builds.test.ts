// Patches from two builds: which functions come along with a change, and what keeps its state.

import { describe, expect, test } from 'vitest';
import { compileC } from '../../support/compile-c.ts';
import {
  type Call,
  compileDiff,
  contentsOf,
  everySlot,
  lookThrice,
  macros,
  patchOf,
  refusal,
} from '../../support/two-builds.ts';

describe('which functions come along', () => {
  const chain = `${macros}
    static int calls;
-   static NOINLINE int leaf(int x) { return x + 1; }
+   static NOINLINE int leaf(int x) { return x + 2; }
    static NOINLINE int inner(int x) { calls++; return leaf(x) * 10; }
    static NOINLINE int aside(int x) { calls++; return x - 1; }
    EXPORT(outer) int outer(int x) { return inner(x) + aside(x) + calls; }
    EXPORT(other) int other(int x) { return leaf(x) + 1; }
    EXPORT(quiet) int quiet(int x) { return aside(x); }
  `;
  const look = (call: Call): unknown[] => [call('outer', 1), call('other', 1), call('quiet', 1)];

  test.each([
    ['all', ['leaf'], [], []],
    // The small leaf has no slot: its callers bring it.
    [
      'auto',
      ['inner', 'other'],
      ['leaf'],
      ['"inner", "other" come along because they call "leaf", which has no guard'],
    ],
    // Only exports have slots: the linker's wrappers around them.
    [
      'entry',
      ['other.command_export', 'outer.command_export'],
      ['inner', 'leaf', 'other', 'outer'],
      [
        '"inner", "other" come along because they call "leaf", which has no guard',
        '"outer" comes along because it calls "inner", which has no guard',
        '"other.command_export" comes along because it calls "other", which has no guard',
        '"outer.command_export" comes along because it calls "outer", which has no guard',
      ],
    ],
  ] as const)('slots: %s', async (slots, replaced, added, notes) => {
    const builds = await compileDiff(chain);
    const choices = { prepare: { slots } } as const;
    const patch = await patchOf(builds, choices);
    const along = patch.report.notes.filter((note) => note.includes('along because'));
    expect({ ...contentsOf(patch), notes: along }).toEqual({ replaced, added, notes });
    expect(await lookThrice(builds, look, choices)).toEqual([
      [22, 3, 0],
      [35, 4, 0],
      [28, 3, 0],
    ]);
  });

  const marked = ['-finstrument-function-entry-bare', '-Wl,--allow-undefined'];

  test('fentry: calls of the hook, which preparing takes out of the program, do not come back with the patch', async () => {
    const builds = await compileDiff(
      `${macros}
      static int total;
-     EXPORT(add) int add(int n) { return total += n; }
+     NOINLINE int twice(int n) { return n * 2; }
+     EXPORT(add) int add(int n) { return total += twice(n); }
      `,
      { flags: marked },
    );
    const patch = await patchOf(builds);
    expect(contentsOf(patch)).toEqual({ replaced: ['add'], added: ['twice'] });
    expect(patch.manifest.imports.map((i) => i.from)).toEqual(['memory']);
    expect(await lookThrice(builds, (call) => call('add', 5), {})).toEqual([5, 15, 20]);
  });

  test('a function without a slot that pointers reach is refused', async () => {
    const builds = await compileDiff(
      `${macros}
      __attribute__((no_instrument_function)) NOINLINE int hidden(int n) {
-       return n + 1;
+       return n + 2;
      }
      static int (*volatile pointer)(int) = hidden;
      EXPORT(call) int call(int n) { return pointer(n); }
      `,
      { flags: marked },
    );
    expect(await refusal(builds)).toBe(
      'WGRAFT_ERR_NOT_REACHABLE (exit 4): "hidden" would have to be replaced, and can have no slot under any policy',
    );
  });

  test('a function without a slot whose address only the new build takes comes with a place of its own', async () => {
    const builds = await compileDiff(`${macros}
      static int (*volatile pointer)(int);
      static NOINLINE int leaf(int n) {
-       return n + 1;
+       return n + 2;
      }
      EXPORT(call) int call(int n) {
-       return leaf(n) + (pointer != 0);
+       pointer = leaf; return leaf(n) * 100 + pointer(n);
      }
      EXPORT(later) int later(int n) { return pointer ? pointer(n) : -1; }
    `);
    const choices = { prepare: { slots: 'auto' } } as const;
    const look = (call: Call): unknown[] => [call('call', 1), call('later', 1)];
    expect(await lookThrice(builds, look, choices)).toEqual([
      [2, -1],
      [303, 3],
      [3, 3],
    ]);
  });

  test('an export stays the function that it was', async () => {
    const swapped = `${macros}
      static int total;
-     EXPORT(left) int one(int n) { return total += n + 1; }
-     EXPORT(right) int two(int n) { return total += n + 2; }
+     EXPORT(right) int one(int n) { return total += n + 1; }
+     EXPORT(left) int two(int n) { return total += n + 2; }
    `;
    expect(await refusal(await compileDiff(swapped, { flags: ['-nostdlib'] }), everySlot)).toBe(
      'WGRAFT_ERR_EXPORT_CHANGED (exit 4): the export "right" is "one" in the new build, "two" in the old one',
    );
    const renamed = `${macros}
      static int total;
-     EXPORT(left) int one(int n) { return total += n; }
+     EXPORT(left) int renamed(int n) { return total += n * 2; }
    `;
    const builds = await compileDiff(renamed, { flags: ['-nostdlib'] });
    expect(await lookThrice(builds, (call) => call('left', 1))).toEqual([1, 3, 4]);
  });

  test('a function that only constructors call is start-up code', async () => {
    const builds = await compileDiff(`${macros}
      static volatile int x;
      static NOINLINE void setup(int n) {
-       x = n;
+       x = n + 1;
      }
      __attribute__((constructor)) static void init(void) { setup(3); }
      EXPORT(get) int get(void) { return x; }
    `);
    expect(await refusal(builds, everySlot)).toBe(
      'WGRAFT_ERR_START_CODE_CHANGED (exit 4): "setup" changed, which runs only when a program starts',
    );
  });
});

describe('what keeps its state', () => {
  test('variables with names like constants, literals that are written to, and aliases', async () => {
    const builds = await compileDiff(`${macros}
      char str[4];
      static int *const places = (int[]){10, 20, 30, 40};
      int state = 5;
+     extern int alias __attribute__((alias("state")));
      EXPORT(bump) int bump(int i) {
-       return ++str[i] + ++places[i] + ++state;
+       return ++str[i] + ++places[i] + ++alias + 1000;
      }
      EXPORT(get_state) int get_state(void) { return state; }
    `);
    const look = (call: Call): unknown[] => [call('bump', 1), call('get_state')];
    expect(await lookThrice(builds, look)).toEqual([
      [1 + 21 + 6, 6],
      [1000 + 2 + 22 + 7, 7],
      [3 + 23 + 8, 8],
    ]);
  });

  test('constants that point to one another: a change in one is a change for whoever reaches it', async () => {
    const builds = await compileDiff(`${macros}
      struct node { const struct node *next; int value; };
      extern const struct node last;
      const struct node first = {
        &last,
-       1
+       7
      };
      const struct node last = {&first, 2};
      const struct node apart = {0, 3};
      EXPORT(from_first) int from_first(void) { const struct node *volatile n = &first; return n->value; }
      EXPORT(from_last) int from_last(void) { const struct node *volatile n = &last; return n->next->value; }
      EXPORT(from_apart) int from_apart(void) { const struct node *volatile n = &apart; return n->value; }
    `);
    expect(contentsOf(await patchOf(builds, everySlot)).replaced).toEqual(['from_first', 'from_last']);
    const look = (call: Call): unknown[] =>
      ['from_first', 'from_last', 'from_apart'].map((name) => call(name));
    expect(await lookThrice(builds, look)).toEqual([
      [1, 1, 3],
      [7, 7, 3],
      [1, 1, 3],
    ]);
  });

  const twoFiles = (first: string, second: string): Promise<Uint8Array> =>
    compileC(`${macros}${first}`, {
      files: { 'second.c': `${macros}${second}` },
      flags: ['second.c', '-nostdlib', '-Wl,--no-entry,--emit-relocs'],
    });
  const counter = (name: string, start: number, step = 1): string => `
    static int count = ${start};
    EXPORT(${name}) int ${name}(void) { count += ${step}; return count; }
  `;

  test('static variables of one name are told apart by who uses them', async () => {
    const builds = {
      old: await twoFiles(counter('a', 100), counter('b', 200)),
      // The files come in the other order, and one of them changed.
      new: await twoFiles(counter('b', 200, 10), counter('a', 100)),
    };
    expect(contentsOf(await patchOf(builds, everySlot))).toEqual({ replaced: ['b'], added: [] });
    const look = (call: Call): unknown[] => [call('a'), call('b')];
    expect(await lookThrice(builds, look)).toEqual([
      [101, 201],
      [102, 211],
      [103, 212],
    ]);
  });

  test('a static variable that may be another of its name is refused, not bound', async () => {
    const builds = {
      old: await twoFiles(`${counter('a', 100)}EXPORT(c) int c(void) { return 1; }`, counter('b', 100)),
      new: await twoFiles(
        'EXPORT(a) int a(void) { return 2; } static int count = 100; EXPORT(c) int c(void) { return ++count; }',
        counter('b', 100),
      ),
    };
    expect(await refusal(builds, everySlot)).toBe(
      'WGRAFT_ERR_SYMBOL_AMBIGUOUS (exit 4): the builds have several things called "count", and which is which cannot be told',
    );
  });
});
