// Replacements in C: compiled and linked by the real compiler, applied to a running C program.

import { beforeAll, describe, expect, test } from 'vitest';
import { type BuildOptions, type BuiltPatch, buildPatch } from '../../../src/build/index.ts';
import { instantiate } from '../../../src/host/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { compileC } from '../../support/compile-c.ts';

const program = `
#include <string.h>
#define EXPORT(name) __attribute__((noinline, export_name(#name)))
typedef int (*handler)(int);
int counter = 5;
static int limit = 10;
static handler registered;
EXPORT(add_item) int add_item(int id, int n) { counter += n; return id * 100 + n; }
EXPORT(check) int check(int x) { return x > limit; }
EXPORT(set_handler) void set_handler(handler h) { registered = h; }
EXPORT(call_handler) int call_handler(int x) { return registered ? registered(x) : -1; }
EXPORT(handler_is_check) int handler_is_check(void) { return registered == check; }
EXPORT(get_counter) int get_counter(void) { return counter; }
EXPORT(set_limit) void set_limit(int x) { limit = x; }
EXPORT(get_limit) int get_limit(void) { return limit; }
EXPORT(length) int length(const char *s) { return strlen(s); }
EXPORT(input) char *input(void) { static char buffer[64]; return buffer; }
`;

let original: Uint8Array;
let target: Uint8Array;

beforeAll(async () => {
  original = await compileC(program, { flags: ['-nostartfiles', '-Wl,--no-entry', '-Wl,--emit-relocs'] });
  target = (await prepare(original, { slots: 'all' })).bytes;
});

type Call = (...args: number[]) => number;

/** The program's exports with the patch applied, and what reverting gives back. */
async function run(bytes: Uint8Array): Promise<{
  call: (name: string, ...args: number[]) => number;
  revert: () => Promise<unknown>;
  memory: WebAssembly.Memory;
}> {
  const patcher = new Patcher();
  const { instance } = await instantiate(target, {}, { name: 'app', patcher });
  await patcher.apply(bytes);
  const exports = instance.exports as unknown as Record<string, Call> & { memory: WebAssembly.Memory };
  return {
    call: (name, ...args) => exports[name]?.(...args) ?? Number.NaN,
    revert: () => patcher.revert(undefined),
    memory: exports.memory,
  };
}

function build(
  text: string,
  functions: readonly string[],
  more: Partial<BuildOptions> = {},
): Promise<BuiltPatch> {
  const source = { kind: 'c', text, file: 'src/fix.c' } as const;
  const replacements = functions.map((f) => ({ function: f, source }));
  return buildPatch({ target, symbols: original, name: 'fix', replacements, ...more });
}

test('a replacement in C uses functions and data of the program, has data of its own, and calls the original', async () => {
  const { bytes, report } = await build(
    `#include "wgraft.h"
    WGRAFT_ORIGINAL(int, add_item, (int id, int n));
    extern int counter;
    extern int length(const char *);
    static const char *const names[] = { "zero", "three", "" };
    static int calls = 7, zeros[100];
    int add_item(int id, int n) {
      calls++;
      counter += 1000;
      return wgraft_original_add_item(id, n) * 10000 + calls * 100 + length(names[id]) + zeros[n]++;
    }`,
    ['add_item'],
  );
  expect(report).toMatchObject({
    functions: [{ name: 'add_item', file: 'src/fix.c' }],
    added: [],
    notes: [],
  });
  expect(report.memory?.allocator.kind).toBe('grow');
  const app = await run(bytes);
  expect(app.call('add_item', 1, 2)).toBe(102_0000 + 800 + 5);
  expect(app.call('add_item', 0, 2)).toBe(2_0000 + 900 + 4 + 1);
  expect(app.call('get_counter')).toBe(5 + 2 * 1002);
  await app.revert();
  expect([app.call('add_item', 1, 2), app.call('get_counter')]).toEqual([102, 2011]);
});

test('function pointers: its own functions get places in the table, a replaced one keeps its address', async () => {
  const { bytes, report } = await build(
    `extern void set_handler(int (*)(int));
    int check(int x) { return x * 2; }
    static int mine(int x) { return x + 1; }
    int shared(int x) { return x + 2; }
    int add_item(int id, int n) {
      set_handler(id == 0 ? mine : id == 1 ? shared : check);
      return n;
    }`,
    ['add_item', 'check'],
  );
  expect(report.tableEntries).toBe(2);
  const app = await run(bytes);
  const seen = [0, 1, 2].map((id) => {
    app.call('add_item', id, 0);
    return [app.call('call_handler', 10), app.call('handler_is_check')];
  });
  expect(seen).toEqual([
    [11, 0],
    [12, 0],
    [20, 1],
  ]);
  await app.revert();
  expect(app.call('call_handler', 10)).toBe(0);
});

test('two C files become one patch; statics of the program are reached by name', async () => {
  const source = (file: string, text: string) => ({ kind: 'c', text, file }) as const;
  const { bytes } = await buildPatch({
    target,
    symbols: original,
    name: 'two-files',
    headers: { 'lib/values.h': '#define STEP 3\nextern int limit;\n' },
    compilerFlags: ['-DEXTRA=4'],
    replacements: [
      {
        function: 'check',
        source: source(
          'a.c',
          '#include "lib/values.h"\nint bump(void); int check(int x) { limit += STEP; return bump() + x; }',
        ),
      },
      {
        function: 'get_counter',
        source: source(
          'b.c',
          'static int n = EXTRA; int bump(void) { return ++n; } int get_counter(void) { return n; }',
        ),
      },
    ],
  });
  const app = await run(bytes);
  expect([
    app.call('check', 10),
    app.call('check', 10),
    app.call('get_counter'),
    app.call('get_limit'),
  ]).toEqual([15, 16, 6, 16]);
});

// - two files of the program have a static function of one name
// - the patch replaces the second, calls the first and the original of the second
test('functions of one name are told apart as NAME,N, in C too', async () => {
  const first = `
  __attribute__((noinline)) static int scale(int x) { return x * 2; }
  __attribute__((noinline, export_name("low"))) int low(int x) { return scale(x); }`;
  const second = `
  __attribute__((noinline)) static int scale(int x) { return x * 100; }
  __attribute__((noinline, export_name("high"))) int high(int x) { return scale(x); }`;
  const wasm = await compileC(first, {
    fileName: 'first.c',
    files: { 'second.c': second },
    flags: ['second.c', '-nostartfiles', '-Wl,--no-entry'],
  });
  const { bytes: program } = await prepare(wasm, { slots: 'all' });
  const source = {
    kind: 'c',
    file: 'fix.c',
    text: `#include "wgraft.h"
    WGRAFT_PROGRAM("scale,1", int, low_scale, (int));
    WGRAFT_ORIGINAL_OF("scale,2", int, old_scale, (int));
    WGRAFT_REPLACES("scale,2") int new_scale(int x) { return old_scale(x) + low_scale(x) + 1; }`,
  } as const;
  const build = (name: string): Promise<BuiltPatch> =>
    buildPatch({ target: program, name: 'fix', replacements: [{ function: name, source }] });
  await expect(build('scale')).rejects.toMatchObject({
    code: 'WGRAFT_ERR_FUNCTION_AMBIGUOUS',
    hint: expect.stringMatching(/^say which: "scale,1" \(#\d+\), "scale,2" \(#\d+\)$/),
  });
  const patcher = new Patcher();
  const { instance } = await instantiate(program, {}, { patcher });
  const exports = instance.exports as unknown as Record<string, Call>;
  const both = (): unknown[] => [exports['low']?.(3), exports['high']?.(3)];
  expect(both()).toEqual([6, 300]);
  await patcher.apply((await build('scale,2')).bytes);
  expect(both()).toEqual([6, 307]);
  await patcher.revert();
  expect(both()).toEqual([6, 300]);
});

test('library functions: those of the program, else those that can be moved; the rest is refused by name', async () => {
  const { bytes, report } = await build(
    `#include <string.h>
    int check(int x) { char text[40]; memset(text, 'a', x); text[x] = 0; return strlen(text) * 10 + (strchr(text, 'b') != 0); }`,
    ['check'],
  );
  expect(report.added).toEqual(expect.arrayContaining(['strchr']));
  expect((await run(bytes)).call('check', 12)).toBe(120);

  await expect(
    build('#include <stdlib.h>\nint check(int x) { return strtol((char *)x, 0, 10); }', ['check']),
  ).rejects.toMatchObject({
    code: 'WGRAFT_ERR_SOURCE_UNSUPPORTED',
    message: expect.stringMatching(
      /^src\/fix\.c cannot become a patch: it calls "strtol", which the program does not contain; the C library's .*intscan.* cannot be part of a patch/,
    ),
  });
});

test('the same source gives the same bytes', async () => {
  const text = 'static int n; int check(int x) { return x + n++; }';
  const [a, b] = [await build(text, ['check']), await build(text, ['check'])];
  expect(Buffer.from(a.bytes).equals(Buffer.from(b.bytes))).toBe(true);
});

test('a copied source file: what it brings along is noted', async () => {
  const { report } = await build(
    `int counter = 5;
    __attribute__((noinline)) int length(const char *s) { int n = 0; while (s[n]) n++; return n; }
    int check(int x) { counter += x; return length((char *)x) + counter; }`,
    ['check'],
  );
  expect(report.notes).toEqual([
    'src/fix.c brings its own "length"; the program\'s "length" stays as it is',
    'src/fix.c brings its own data "counter"; declare it extern to use the program\'s',
  ]);
});

describe('refused', () => {
  test('what does not compile, with file, line and column', async () => {
    await expect(build('int check(int x) {\n  return y;\n}', ['check'])).rejects.toMatchObject({
      code: 'WGRAFT_ERR_SOURCE_INVALID',
      message: expect.stringContaining("src/fix.c:2:10: error: use of undeclared identifier 'y'"),
    });
    // Nor is there a word of what wgraft itself gives the compiler.
    await expect(build('int chekc(int x) { return y; }', ['check'])).rejects.toMatchObject({
      message: expect.stringMatching(/^src\/fix\.c does not compile:\nsrc\/fix\.c:1:\d+: (?!.*wgraft).*$/s),
    });
  });

  test('a static replacement, and one that is not there', async () => {
    await expect(build('static int check(int x) { return x; }', ['check'])).rejects.toMatchObject({
      code: 'WGRAFT_ERR_REPLACEMENT_MISSING',
      hint: 'name or export the replacement like the function that it replaces; in C it must not be static',
    });
    await expect(build('int chekc(int x) { return x; }', ['check'])).rejects.toMatchObject({
      code: 'WGRAFT_ERR_REPLACEMENT_MISSING',
      message: 'src/fix.c has no function that replaces "check"',
    });
  });

  test('constructors, data of the program without its symbols, and functions that no one has', async () => {
    const withConstructor =
      '__attribute__((constructor)) void init(void) { extern int counter; counter = 0; } int check(int x) { return x; }';
    await expect(build(withConstructor, ['check'])).rejects.toMatchObject({
      code: 'WGRAFT_ERR_SOURCE_UNSUPPORTED',
      message: expect.stringContaining('it has constructors'),
    });
    const replacements = [
      {
        function: 'check',
        source: {
          kind: 'c',
          text: 'extern int counter; int check(int x) { return counter; }',
          file: 'fix.c',
        } as const,
      },
    ];
    await expect(buildPatch({ target, name: 'fix', replacements })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_SYMBOLS_MISSING',
      message: 'fix.c uses the program\'s data "counter", whose addresses are not known',
    });
    await expect(
      build('extern int countre; int check(int x) { return countre; }', ['check']),
    ).rejects.toMatchObject({
      code: 'WGRAFT_ERR_IMPORT_UNRESOLVED',
      message:
        'import address of "countre" of src/fix.c cannot be resolved: the program has no data of that name',
      hint: 'did you mean "counter"?',
    });
    await expect(
      build('int lenght(const char *); int check(int x) { return lenght(""); }', ['check']),
    ).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_UNKNOWN',
      hint: 'did you mean "length"?',
    });
  });
});
