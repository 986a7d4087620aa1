// What case 17 does not tell of shadow variables: where their memory comes from and goes to, wrong function pointers, constructors
// and destructors that use shadow variables themselves, patches from two builds.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildPatch, wgraftHeader } from '../../../src/build/index.ts';
import { type Allocator, preparedExports, writePatch } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { type Heap, heapOf } from '../../../src/runtime/heap.ts';
import { SlotTable } from '../../../src/runtime/slot-table.ts';
import { readFunctionNames, readModule, readSections } from '../../../src/wasm/index.ts';
import { type Standalone, standalone } from '../../support/standalone.ts';
import { compileDiff, everySlot, macros, patchOf } from '../../support/two-builds.ts';
import { wat } from '../../support/wat.ts';

const bump = `(global $next (mut i32) (i32.const 1001)) (global $freed (export "freed") (mut i32) (i32.const 0))
  (func $malloc (param $size i32) (result i32) (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 30000)) (then (return (i32.const 0))))
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $size)))
    (local.get $at))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))`;
const free = '(func $free (param i32) (global.set $freed (local.get 0)))';

async function running(kernel: string): Promise<Standalone> {
  return standalone((await prepare(wat(`(module ${kernel})`), { slots: 'all' })).bytes);
}

/** An error's code, a trap's message, or what was returned. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return 'code' in error ? error.code : `${error.name}: ${error.message}`;
  }
}

describe('for the host, before any patch says where memory comes from', () => {
  test("it is the program's malloc, cleared; what is freed goes to its free", async () => {
    const { shadow, exports } = await running(`(memory (export "memory") 1) ${bump} ${free}`);
    new Uint8Array(exports['memory'].buffer).fill(0xaa);
    const data = shadow.alloc(8, 1, 12);
    expect(data).toBe(1001);
    expect([...new Uint8Array(exports['memory'].buffer, data - 1, 14)]).toEqual([
      0xaa,
      ...Array(12).fill(0),
      0xaa,
    ]);
    shadow.free(8, 1);
    expect(exports['freed'].value).toBe(1001);
  });

  test('without a free, it is used again for the next one', async () => {
    const { shadow } = await running(`(memory 1) ${bump}`);
    const first = shadow.alloc(8, 1, 12);
    expect(first % 16).toBe(0);
    shadow.free(8, 1);
    expect(shadow.alloc(9, 1, 16)).toBe(first);
    expect(shadow.alloc(10, 1, 16)).not.toBe(first);
  });

  test('no allocator that is known, no number of bytes, no memory left', async () => {
    const bare = await running('(memory 1) (func (export "f"))');
    expect(outcome(() => bare.shadow.alloc(8, 1, 4))).toBe('WGRAFT_ERR_NO_ALLOCATOR');
    expect(bare.shadow.get(8, 1)).toBe(0);
    const { shadow } = await running(`(memory 1) ${bump}`);
    for (const size of [-1, 0.5, Number.NaN, 2 ** 32])
      expect(outcome(() => shadow.alloc(8, 1, size))).toBe('WGRAFT_ERR_OPTION_INVALID');
    expect(shadow.alloc(8, 1, 1_000_000)).toBe(0);
    expect(shadow.get(8, 1)).toBe(0);
    expect(shadow.alloc(8, 1, 0)).toBeGreaterThan(0);
  });

  test('addresses are the same, signed as wasm gives them or not', async () => {
    const { shadow } = await running(`(memory 1) ${bump}`);
    const data = shadow.alloc(-16, -1, 4);
    expect([shadow.get(2 ** 32 - 16, 2 ** 32 - 1), shadow.get(-16, -1)]).toEqual([data, data]);
  });
});

describe('constructors and destructors that use shadow variables', () => {
  test('a constructor does not see what it makes, and cannot make it twice', async () => {
    const { shadow } = await running(`(memory 1) ${bump} ${free}`);
    const seen: number[] = [];
    const made = shadow.alloc(8, 1, 4, (object) => {
      seen.push(shadow.get(object, 1), shadow.getOrAlloc(object, 1, 4), shadow.alloc(object, 2, 4));
      shadow.free(object, 1);
      shadow.freeAll(1);
    });
    expect(seen).toEqual([0, 0, shadow.get(8, 2)]);
    expect([made > 0, shadow.get(8, 1)]).toEqual([true, made]);
  });

  test('a destructor may free others and allocate anew', async () => {
    const { shadow } = await running(`(memory 1) ${bump} ${free}`);
    const log: number[] = [];
    for (const object of [1, 2, 3]) shadow.alloc(object, 7, 4);
    shadow.freeAll(7, (object) => {
      log.push(object);
      shadow.free(2, 7);
      if (object === 1) shadow.alloc(4, 7, 4);
    });
    expect(log).toEqual([1, 3]);
    expect([1, 2, 3, 4].map((object) => shadow.get(object, 7) > 0)).toEqual([false, false, false, true]);
  });
});

describe('function pointers that are wrong trap, and nothing happened', () => {
  const patch = `(module
    (import "target" "memory" (memory 0))
    (import "patch" "shadow_alloc" (func $alloc (param i32 i32 i32 i32 i32) (result i32)))
    (import "patch" "shadow_free" (func $free (param i32 i32 i32)))
    (func (export "f") (param i32) (result i32)
      (call $alloc (i32.const 8) (i32.const 1) (i32.const 4) (local.get 0) (i32.const 0)))
    (func (export "g") (param i32) (call $free (i32.const 8) (i32.const 1) (local.get 0))))`;
  const kernel = (table: string): string => `(module (memory 1) ${table}
    (func $f (export "f") (param i32) (result i32) (local.get 0)) (func (export "g") (param i32)))`;

  test.each([
    ['a program without a table', ''],
    ['out of the table, an empty place, another type', '(table 3 funcref) (elem (i32.const 1) $f)'],
  ])('%s', async (_, table) => {
    const { bytes: target } = await prepare(wat(kernel(table)), { slots: 'all' });
    const source = { kind: 'wat', text: patch, file: 'fix.wat' } as const;
    const replacements = ['f', 'g'].map((name) => ({ function: name, source }));
    const app = await standalone(target);
    app.apply((await buildPatch({ target, name: 'fix', replacements })).bytes);
    const { f, g } = app.exports;
    for (const pointer of [1, 2, 3, -1])
      expect(outcome(() => f(pointer))).toBe(
        `RuntimeError: table entry ${pointer >>> 0} is no function of 3 parameters for a shadow variable`,
      );
    expect(app.shadow.get(8, 1)).toBe(0);
    const data = f(0);
    expect(outcome(() => g(1))).toContain('is no function of 2 parameters');
    expect(app.shadow.get(8, 1)).toBe(data);
    g(0);
    expect(app.shadow.get(8, 1)).toBe(0);
  });
});

test('a manifest whose allocator is no function of the program: refused when it is staged', async () => {
  const { bytes: target } = await prepare(
    wat(`(module (memory 1) (func (export "f") (result i32) (i32.const 1)))`),
    {
      slots: 'all',
    },
  );
  const text = `(module (import "patch" "shadow_alloc" (func $alloc (param i32 i32 i32 i32 i32) (result i32)))
    (func (export "f") (result i32)
      (call $alloc (i32.const 8) (i32.const 1) (i32.const 4) (i32.const 0) (i32.const 0))))`;
  const replacements = [{ function: 'f', source: { kind: 'wat', text, file: 'fix.wat' } as const }];
  const { bytes, manifest } = await buildPatch({ target, name: 'fix', replacements });
  const app = await standalone(target);
  const own = ['wgraft.patch', 'producers', 'build_id'];
  const sections = readSections(bytes).filter((s) => s.id !== 0 || !own.includes(s.name));
  const module = Buffer.concat([
    bytes.subarray(0, 8),
    ...sections.map((s) => bytes.subarray(s.start, s.end)),
  ]);
  const hostile = (allocator: object): unknown => {
    const memory = {
      sizeBytes: 0,
      alignBytes: 1,
      allocator: { reason: '', name: undefined, ...allocator } as Allocator,
    };
    return outcome(() =>
      app.stage(writePatch(module, { ...manifest, memory }, { name: 'x', version: '' }).module),
    );
  };
  expect(hostile({ kind: 'function', index: 99_999 })).toBe('WGRAFT_ERR_STAGE_FAILED');
  expect(hostile({ kind: 'function', index: 0, free: 99_999 })).toBe('WGRAFT_ERR_STAGE_FAILED');
  expect(app.exports['f']()).toBe(1);
});

test('a patch from two builds, whose new build uses wgraft.h', async () => {
  const builds = await compileDiff(
    `${macros}
#include <stdlib.h>
+#include "wgraft.h"
struct request { int size; };
EXPORT(make) struct request *make(int size) { struct request *r = malloc(sizeof *r); r->size = size; return r; }
-EXPORT(use) int use(struct request *r) { return r->size; }
+static int zero(void *object, void *data, void *step) { *(int *)data = 10 * ((struct request *)object)->size; return 0; }
+EXPORT(use) int use(struct request *r) { return *(int *)wgraft_shadow_get_or_alloc(r, 1, sizeof(int), zero, 0) += 1; }
-EXPORT(drop) void drop(struct request *r) { free(r); }
+EXPORT(drop) void drop(struct request *r) { wgraft_shadow_free(r, 1, 0); free(r); }
`,
    { files: { 'wgraft.h': wgraftHeader } },
  );
  const { bytes, manifest } = await patchOf(builds, everySlot);
  expect(manifest.memory).toMatchObject({
    sizeBytes: 0,
    allocator: { name: 'malloc', free: expect.any(Number) },
  });
  const app = await standalone((await prepare(builds.old, everySlot.prepare)).bytes);
  const { make, use, drop } = app.exports;
  const [a, b] = [make(3), make(4)];
  expect([use(a), use(b)]).toEqual([3, 4]);
  app.apply(bytes);
  expect([use(a), use(a), use(b), use(a)]).toEqual([31, 32, 41, 33]);
  drop(a);
  expect([app.shadow.get(a, 1), app.shadow.get(b, 1) > 0]).toEqual([0, true]);
});

describe('a heap where nothing takes memory back', () => {
  const allocators: Record<string, (malloc: number) => Allocator> = {
    grow: () => ({ kind: 'grow', reason: '' }),
    malloc: (index) => ({ kind: 'function', index, name: 'malloc', reason: '' }),
  };

  /** Its own instance each time; 20 pages at most. */
  async function heap(name: string): Promise<{ heap: Heap; memory: WebAssembly.Memory }> {
    const { bytes } = await prepare(wat(`(module (memory (export "memory") 1 20) ${bump})`), {
      slots: 'all',
    });
    const { instance } = await WebAssembly.instantiate(bytes);
    const slots = SlotTable.of(instance.exports);
    const { memory } = instance.exports;
    const names = readFunctionNames(bytes, readModule(bytes).sections);
    const malloc = [...names].find(([, found]) => found === 'malloc')?.[0] ?? 0;
    if (slots === undefined || !(memory instanceof WebAssembly.Memory))
      throw new Error(`${preparedExports.slots} is missing`);
    return { heap: heapOf(slots, allocators[name]?.(malloc) ?? { kind: 'grow', reason: '' }), memory };
  }

  test.each(['grow', 'malloc'])('%s: areas never overlap, are aligned, and are used again', async (name) => {
    const step = fc.tuple(fc.nat({ max: 3000 }), fc.nat());
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { heap: h } = await heap(name);
        const live: { address: number; size: number }[] = [];
        for (const [size, choice] of steps) {
          const old = live[choice % 7];
          if (old !== undefined && choice % 2 === 0) {
            h.free(old.address, old.size);
            live.splice(choice % 7, 1);
            continue;
          }
          const address = h.allocate(size);
          if (address === 0) continue;
          expect(address % 16).toBe(0);
          for (const l of live)
            expect(
              address + Math.max(size, 1) <= l.address || l.address + Math.max(l.size, 1) <= address,
            ).toBe(true);
          live.push({ address, size });
        }
      }),
      { numRuns: 20 },
    );
  });

  test('grow: neighbours that are free become one, and pages are used up before more are taken', async () => {
    const { heap: h, memory } = await heap('grow');
    const parts = Array.from({ length: 4 }, () => h.allocate(16384));
    expect(parts.map((p) => (p ?? 0) - 65536)).toEqual([0, 16384, 32768, 49152]);
    expect(memory.buffer.byteLength).toBe(2 * 65536);
    for (const i of [2, 0, 3, 1]) h.free(parts[i] ?? 0, 16384);
    expect(h.allocate(65536)).toBe(65536);
    expect(h.allocate(20 * 65536)).toBe(0);
    expect(h.allocate(18 * 65536)).toBe(2 * 65536);
    expect(h.allocate(1)).toBe(0);
  });
});
