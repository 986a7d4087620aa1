// Patches from two builds: what an address in the new build is in the running program.

import { WASI } from 'node:wasi';
import { describe, expect, test } from 'vitest';
import {
  type Call,
  compileDiff,
  everySlot,
  lookThrice,
  macros,
  refusal,
  runPlain,
} from '../../support/two-builds.ts';

describe('what an address is', () => {
  test('position-independent code: data and functions of the program, and of the patch', async () => {
    const builds = await compileDiff(
      `${macros}
      int table[4] = {1, 2, 3, 4}; static int hidden[4] = {5, 6, 7, 8};
      NOINLINE int twice(int x) { return 2 * x; }
      static NOINLINE int thrice(int x) { return 3 * x; }
      static int (*volatile pointer)(int);
+     static NOINLINE int nine(int x) { return 9 * x; }
+     static int fresh[4] = {90, 80, 70, 60};
      EXPORT(set) void set(int i) {
-       pointer = i ? twice : thrice;
+       pointer = i == 2 ? nine : i ? thrice : twice; fresh[i & 3]++;
      }
      EXPORT(get) int get(int i) {
-       return pointer(table[i & 3] + hidden[i & 3]);
+       return pointer(table[i & 3] + hidden[i & 3]) + fresh[i & 3];
      }
      EXPORT(poke) void poke(int i) { table[i & 3]++; hidden[i & 3]++; }
      `,
      { flags: ['-fPIC'] },
    );
    const look = (call: Call): unknown[] =>
      [0, 1, 2].map((i) => {
        call('poke', i);
        call('set', i);
        return call('get', i);
      });
    expect(await lookThrice(builds, look)).toEqual([
      [(2 + 6) * 3, (3 + 7) * 2, (4 + 8) * 2],
      [(3 + 7) * 2 + 91, (4 + 8) * 3 + 81, (5 + 9) * 9 + 71],
      [(4 + 8) * 3, (5 + 9) * 2, (6 + 10) * 2],
    ]);
  });

  test("the address of the host's functions, old and new", async () => {
    const builds = await compileDiff(`${macros}
      #define HOST(n) __attribute__((import_module("env"), import_name(#n)))
      HOST(known) int known(int); HOST(fresh) int fresh(int);
      static int (*volatile pointer)(int);
      EXPORT(direct) int direct(int x) { return known(x); }
      EXPORT(keep) void keep(void) { pointer = known; }
      EXPORT(is_known) int is_known(void) {
-       return 0;
+       return pointer == known;
      }
      EXPORT(set) int set(int x) {
-       return 0;
+       pointer = x ? fresh : known; return pointer(x);
      }
    `);
    const env = { known: (x: number) => x + 1, fresh: (x: number) => x + 1000 };
    const choices = { ...everySlot, allowImports: ['env.fresh'] };
    const look = (call: Call): unknown[] => [call('keep'), call('is_known'), call('set', 0), call('set', 5)];
    expect(await lookThrice(builds, look, choices, { env })).toEqual([
      [undefined, 0, 0, 0],
      [undefined, 1, 1, 1005],
      [undefined, 0, 0, 0],
    ]);
  });

  // The C library is position-independent code, and its functions bring tables, strings and pointers of their own.
  test('functions of the C library that the old build never linked', async () => {
    const builds = await compileDiff(`${macros}
      #include <stdio.h>
      #include <stdlib.h>
      #include <string.h>
      static int numbers[8] = {5, 3, 8, 1, 9, 2, 7, 4};
      static char line[64];
+     static int descending(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }
      EXPORT(sort) int sort(int i) {
-       return numbers[i];
+       qsort(numbers, 8, sizeof(int), descending); return numbers[i];
      }
      EXPORT(format) double format(int i) {
-       return line[0] = i;
+       snprintf(line, sizeof line, "%d:%s:%.3f", i, strerror(i), i / 7.0); return strlen(line) + strtod(strrchr(line, ':') + 1, NULL);
      }
      EXPORT(put) void put(int i, int c) { volatile int frame[4] = {c}; line[i & 63] = frame[i & 3]; numbers[i & 7] = c; }
      EXPORT(at) int at(int i) { return line[i & 63]; }
    `);
    const look = (call: Call): unknown[] => [
      call('sort', 0),
      call('format', 22),
      call('at', 1),
      call('at', 3),
    ];
    const { wasiImport } = new WASI({ version: 'preview1' });
    const imports = { wasi_snapshot_preview1: wasiImport } as WebAssembly.Imports;
    const allowImports = WebAssembly.Module.imports(new WebAssembly.Module(new Uint8Array(builds.new))).map(
      ({ module, name }) => `${module}.${name}`,
    );
    const expected = look((await runPlain(builds.new, imports)).call);
    const [before, patched, after] = await lookThrice(builds, look, { ...everySlot, allowImports }, imports);
    // What the C library wrote into the program's array stays there.
    expect([before, patched, after]).toEqual([[5, 22, 0, 0], expected, [9, 22, ...expected.slice(2)]]);
    expect(expected).toEqual([9, expect.any(Number), '2'.charCodeAt(0), 'F'.charCodeAt(0)]);
  });

  test('what nobody defines is at 0, also where the patch is the first to ask', async () => {
    const builds = await compileDiff(`${macros}
      extern int absent __attribute__((weak));
      EXPORT(ask) int ask(void) {
-       return 100;
+       return 7 + (&absent == 0);
      }
    `);
    expect(await lookThrice(builds, (call) => call('ask'))).toEqual([100, 8, 100]);
  });

  // wasm-ld 22 counts a relocation for such a function and does not write it; LLVM's own tools stop at such a section too.
  test('the address of a weak function that nobody defines leaves relocations that cannot be read', async () => {
    const builds = await compileDiff(`${macros}
      void nobody(void) __attribute__((weak));
      EXPORT(ask) int ask(void) {
-       return 100;
+       return nobody == 0;
      }
    `);
    expect(await refusal(builds, everySlot)).toMatch(/^WGRAFT_ERR_WASM_MALFORMED \(exit 4\): relocations: /);
  });

  test("the linker's own addresses are the old build's, or unknown", async () => {
    const source = (old: string, next: string): string => `${macros}
      extern char __heap_base;
      EXPORT(end) int end(void) {
-       ${old}
+       ${next}
      }
+     EXPORT(more) int more(int i) { static int room[1000]; return ++room[i]; }
    `;
    const known = await compileDiff(source('return (int)&__heap_base;', 'return (int)&__heap_base + 1;'));
    const [before, patched, after] = await lookThrice(known, (call) => call('end'));
    expect([patched, after]).toEqual([Number(before) + 1, before]);
    const unknown = await compileDiff(source('return 0;', 'return (int)&__heap_base;'));
    expect(await refusal(unknown, everySlot)).toBe(
      'WGRAFT_ERR_SYMBOLS_UNSUITABLE (exit 4): the symbols do not fit the target: the new build has "__heap_base", whose value the old build does not tell, which a patch cannot carry',
    );
  });

  test('new arrays that are indexed by a variable: every width, loaded and stored', async () => {
    const types = [
      'signed char',
      'unsigned char',
      'short',
      'unsigned short',
      'int',
      'unsigned',
      'long long',
      'float',
      'double',
    ];
    const arrays = types.map(
      (type, i) =>
        `+static ${type} array_${i}[8] = {${[1, 2, 3, 4, 5, 6, 7, 8].map((x) => x * (i + 1)).join()}};`,
    );
    const store = types.map((type, i) => `+ array_${i}[i & 7] = (${type})(array_${i}[(i + 3) & 7] * 7 - x);`);
    // Narrow loads and stores of long long have instructions of their own.
    const narrow = [0, 1, 2, 3, 4, 5].map(
      (i) => `+ wide += array_${i}[i & 7]; array_${i}[(i + 1) & 7] = wide ^ (wide >> 3);`,
    );
    const sum = types.map((_, i) => `+ sum += array_${i}[i & 7] * ${i + 3};`);
    const builds = await compileDiff(
      `${macros}
      #include <wasm_simd128.h>
${arrays.join('\n')}
+ static int vector[16] __attribute__((aligned(16))) = {1, 2, 3, 4, 5, 6, 7, 8, 9};
      EXPORT(step) double step(int i, int x) {
-       return x;
+       double sum = 0; long long wide = x;
${store.join('\n')}
${narrow.join('\n')}
${sum.join('\n')}
+       v128_t v = wasm_i32x4_add(wasm_v128_load(&vector[i & 7]), wasm_i32x4_splat(x));
+       wasm_v128_store(&vector[(i + 1) & 7], v);
+       v = wasm_i32x4_add(wasm_v128_load32_zero(&vector[i & 7]), wasm_v128_load64_zero(&vector[(i + 2) & 7]));
+       v = wasm_v128_load32_lane(&vector[(i + 3) & 7], v, 2);
+       wasm_v128_store64_lane(&vector[(i + 5) & 7], v, 1);
+       v = wasm_i32x4_add(v, wasm_i16x8_load8x8(&vector[i & 7]));
+       sum += wasm_i32x4_extract_lane(v, 0) + wasm_i32x4_extract_lane(v, 1) * 3 + wasm_i32x4_extract_lane(v, 2) * 5;
+       return sum + (double)wide;
      }
      `,
      { flags: ['-msimd128', '-fno-vectorize', '-fno-slp-vectorize'] },
    );
    const look = (call: Call): unknown[] =>
      Array.from({ length: 40 }, (_, k) => call('step', k * 5, k * 1_234_567 - 20_000_000));
    const expected = look((await runPlain(builds.new)).call);
    const [before, patched, after] = await lookThrice(builds, look);
    expect(patched).toEqual(expected);
    expect(after).toEqual(before);
  });
});
