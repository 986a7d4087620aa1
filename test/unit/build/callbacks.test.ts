// What a patch has besides replaced functions: callbacks in WAT, in C, in a new build and beside it; rules for the runtime.

import { beforeAll, describe, expect, test } from 'vitest';
import {
  type BuildOptions,
  type BuiltPatch,
  buildPatch,
  compileProgram,
  type Source,
  wgraftHeader,
} from '../../../src/build/index.ts';
import { WgraftError } from '../../../src/errors.ts';
import { type Callbacks, readPatch } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { type Standalone, standalone } from '../../support/standalone.ts';
import {
  type BuildChoices,
  compileDiff,
  everySlot,
  library,
  macros,
  patchOf,
} from '../../support/two-builds.ts';
import { wat } from '../../support/wat.ts';

const all: Callbacks = {
  prePatch: '__wgraft_pre_patch',
  postPatch: '__wgraft_post_patch',
  preUnpatch: '__wgraft_pre_unpatch',
  postUnpatch: '__wgraft_post_unpatch',
};

const program = `${macros}
static int limit = 10, seen;
EXPORT(check) int check(int x) { return x > limit; }
EXPORT(get_limit) int get_limit(void) { return limit; }
EXPORT(set_limit) int set_limit(int x) { seen++; return limit = x; }
EXPORT(get_seen) int get_seen(void) { return seen; }
`;

let original: Uint8Array;
let target: Uint8Array;

beforeAll(async () => {
  original = await compileC(program, { flags: [...library] });
  target = (await prepare(original, { slots: 'all' })).bytes;
});

async function refused(building: Promise<unknown>): Promise<string> {
  const error: unknown = await building.catch((reason: unknown) => reason);
  if (!WgraftError.is(error)) throw error ?? new Error('nothing was refused');
  return `${error.code}: ${error.message}`;
}

/** Calls the callbacks of a staged patch in the order of an apply and a revert, and gives what the program says after each. */
function callAll(app: Standalone, bytes: Uint8Array, look: string): unknown[] {
  const { instance, patch } = app.stage(bytes);
  const { callbacks = {} } = patch.manifest;
  return Object.values(callbacks).map((name: string) => {
    const f = instance.exports[name];
    const answer: unknown = typeof f === 'function' ? f() : 'no function';
    return [name, answer, app.exports[look]()];
  });
}

describe('in WAT', () => {
  const kernel = `(module (memory 1) (global $total (export "total") (mut i32) (i32.const 1))
    (func $f (export "f") (param i32) (result i32) (local.get 0))
    (func (export "look") (result i32) (global.get $total)))`;
  const build = async (text: string, more: Partial<BuildOptions> = {}): Promise<BuiltPatch> => {
    const source = { kind: 'wat', text, file: 'fix.wat' } as const;
    const prepared = (await prepare(wat(kernel), { slots: 'all' })).bytes;
    return buildPatch({ target: prepared, name: 'fix', replacements: [{ function: 'f', source }], ...more });
  };

  test('exports of these names are the callbacks; the only other export is the replacement', async () => {
    const { manifest, report, bytes } = await build(`(module
      (import "target" "total" (global $total (mut i32)))
      (func (export "anything") (param i32) (result i32) (i32.const 7))
      (func $begin (export "__wgraft_pre_patch") (result i32)
        (global.set $total (i32.mul (global.get $total) (i32.const 2))) (i32.const 5))
      (func $add (global.set $total (i32.add (global.get $total) (i32.const 10))))
      (func (export "__wgraft_post_patch") (call $add))
      (export "__wgraft_pre_unpatch" (func $add))
      (func (export "__wgraft_post_unpatch") (global.set $total (i32.const 0))))`);
    expect(manifest.callbacks).toEqual(all);
    expect(report.callbacks).toMatchObject({ prePatch: 'begin', preUnpatch: 'add' });
    const app = await standalone((await prepare(wat(kernel), { slots: 'all' })).bytes);
    expect(callAll(app, bytes, 'look')).toEqual([
      ['__wgraft_pre_patch', 5, 2],
      ['__wgraft_post_patch', undefined, 12],
      ['__wgraft_pre_unpatch', undefined, 22],
      ['__wgraft_post_unpatch', undefined, 0],
    ]);
  });

  const f = '(func (export "f") (param i32) (result i32) (i32.const 7))';
  test.each([
    [
      'of another type',
      `(func (export "__wgraft_pre_patch"))`,
      'its callback "__wgraft_pre_patch" has type () -> (), not () -> i32',
    ],
    [
      'with a parameter',
      `(func (export "__wgraft_post_unpatch") (param i32))`,
      'its callback "__wgraft_post_unpatch" has type (i32) -> (), not () -> ()',
    ],
  ])('refused: one %s', async (_, callback, reason) => {
    expect(await refused(build(`(module ${f} ${callback})`))).toBe(
      `WGRAFT_ERR_SOURCE_UNSUPPORTED: fix.wat cannot become a patch: ${reason}`,
    );
  });

  test('refused: an import of the program, and a second one in another source', async () => {
    const imported = `(module (import "host" "env.go" (func $go (result i32))) ${f} (export "__wgraft_pre_patch" (func $go)))`;
    expect(await refused(build(imported, { allowImports: ['env.go'] }))).toBe(
      'WGRAFT_ERR_SOURCE_UNSUPPORTED: fix.wat cannot become a patch: its callback "__wgraft_pre_patch" is an import',
    );
    const text = '(module (func (export "__wgraft_post_patch")))';
    const callbacks: Source = { kind: 'wat', text, file: 'more.wat' };
    expect(await refused(build(`(module ${f} (func (export "__wgraft_post_patch")))`, { callbacks }))).toBe(
      'WGRAFT_ERR_SOURCE_UNSUPPORTED: more.wat cannot become a patch: its callback "__wgraft_post_patch" is the second one, fix.wat has it too',
    );
  });

  test('rules: cumulative, states in the order of their ids, a model', async () => {
    const states = [
      { id: 9, version: 0 },
      { id: 2, version: 4294967294 },
    ];
    const { bytes } = await build(`(module ${f})`, { cumulative: true, states, model: 'leave-set' });
    expect(readPatch(bytes).manifest).toMatchObject({
      cumulative: true,
      states: [states[1], states[0]],
      model: 'leave-set',
    });
    const { manifest } = await build(`(module ${f})`, { cumulative: false, states: [] });
    expect(Object.keys(manifest)).toEqual(['format', 'name', 'target', 'replaces', 'imports', 'metadata']);
  });

  test.each<[string, Partial<BuildOptions>, string]>([
    [
      'a state 0',
      { states: [{ id: 0, version: 1 }] },
      'states: 0=1: ids go from 1 to 4294967295, versions from 0 to 4294967294',
    ],
    [
      'a state twice',
      {
        states: [
          { id: 3, version: 1 },
          { id: 3, version: 2 },
        ],
      },
      'states: 3 is given twice',
    ],
    [
      'an unknown model',
      { model: 'hope' as never },
      'model: "hope" is none of hybrid, leave-set, leave-kernel, stop-machine, checkpoint, immediate, safe-point',
    ],
  ])('refused rules: %s', async (_, rules, reason) => {
    expect(await refused(build(`(module ${f})`, rules))).toBe(`WGRAFT_ERR_OPTION_INVALID: invalid ${reason}`);
  });

  test('what states the runtime tells: the own one, and the one below in the stack', async () => {
    const asking = `(module (import "patch" "state_get" (func $get (param i32) (result i32)))
      (import "patch" "state_previous" (func $previous (param i32) (result i32)))
      (func (export "f") (param i32) (result i32)
        (i32.add (i32.mul (i32.const 100) (call $get (local.get 0))) (call $previous (local.get 0)))))`;
    const app = await standalone((await prepare(wat(kernel), { slots: 'all' })).bytes);
    const old = await build(`(module ${f})`, {
      name: 'old',
      states: [
        { id: 1, version: 4 },
        { id: 2, version: 0 },
      ],
    });
    const { bytes } = await build(asking, {
      name: 'new',
      states: [
        { id: 1, version: 6 },
        { id: 3, version: 0 },
      ],
    });
    const { patch: below } = app.apply(old.bytes);
    app.program.stack.push({ patch: below, state: 'applied' });
    const { patch: above } = app.apply(bytes);
    app.program.stack.push({ patch: above, state: 'applying' });
    expect([1, 2, 3, 4].map((id) => app.exports['f'](id))).toEqual([705, 1, 100, 0]);
  });

  test('a runtime function declared otherwise, and one that there is not', async () => {
    expect(
      await refused(build(`(module (import "patch" "shadow_get" (func (param i32) (result i32))) ${f})`)),
    ).toBe(
      'WGRAFT_ERR_IMPORT_TYPE: import "patch" "shadow_get" of fix.wat is declared (i32) -> i32, the runtime has (i32, i32) -> i32',
    );
    expect(await refused(build(`(module (import "patch" "shadow_set" (func)) ${f})`))).toContain(
      'a patch offers memory_base, table_base, shadow_get, ',
    );
  });

  test('memory only for shadow variables: an allocator, and no room for data', async () => {
    const shadows = (operation: string, type: string): string =>
      `(module (import "patch" "${operation}" (func (param ${type}) (result i32))) ${f})`;
    const alloc = await build(
      shadows('shadow_alloc', 'i32 i32 i32 i32 i32').replace(
        '(param i32) (result i32) (i32.const 7)',
        '(param i32) (result i32) (call 0 (i32.const 16) (i32.const 1) (i32.const 4) (i32.const 0) (i32.const 0))',
      ),
    );
    expect(alloc.manifest.memory).toMatchObject({ sizeBytes: 0, allocator: { kind: 'grow' } });
    const get = await build(shadows('shadow_get', 'i32 i32'));
    expect(get.manifest.memory).toBeUndefined();
    const app = await standalone((await prepare(wat(kernel), { slots: 'all' })).bytes);
    app.apply(alloc.bytes);
    expect([app.exports['f'](0), app.exports['f'](0), app.shadow.get(16, 1)]).toEqual([65536, 0, 65536]);
  });
});

const marked = `#include "wgraft.h"
extern int set_limit(int), get_limit(void);
static int before;
WGRAFT_PRE_PATCH int save(void) { before = get_limit(); return before == 10 ? 0 : -1; }
WGRAFT_POST_PATCH void raise(void) { set_limit(before * 2); }
WGRAFT_PRE_UNPATCH void lower(void) { set_limit(before); }
WGRAFT_POST_UNPATCH void forget(void) { before = 0; }
`;
const calledInOrder = [
  ['__wgraft_pre_patch', 0, 10],
  ['__wgraft_post_patch', undefined, 20],
  ['__wgraft_pre_unpatch', undefined, 10],
  ['__wgraft_post_unpatch', undefined, 10],
];

describe('in C', () => {
  const build = (
    files: Readonly<Record<string, string>>,
    more: Partial<BuildOptions> = {},
  ): Promise<BuiltPatch> => {
    const replacements = Object.entries(files).map(([name, text]) => ({
      function: name,
      source: { kind: 'c', text, file: `${name}.c` } as const,
    }));
    return buildPatch({ target, name: 'fix', replacements, ...more });
  };

  test('functions marked with the macros of wgraft.h', async () => {
    const { manifest, report, bytes } = await build({
      check: `${marked} int check(int x) { return x >= 10; }`,
    });
    expect(manifest.callbacks).toEqual(all);
    expect(report.callbacks).toEqual({
      ...{ prePatch: 'save', postPatch: 'raise', preUnpatch: 'lower', postUnpatch: 'forget' },
    });
    expect(report.added).toEqual([]);
    expect(callAll(await standalone(target), bytes, 'get_limit')).toEqual(calledInOrder);
  });

  test('a second one is an error, in one file and in two, and so is a static one', async () => {
    const second = '#include "wgraft.h"\nWGRAFT_POST_PATCH void again(void) {}\n';
    const check = 'int check(int x) { return x >= 10; }';
    expect(await refused(build({ check: `${marked} ${second} ${check}` }))).toMatch(
      /SOURCE_INVALID: check\.c does not compile:[\s\S]*redefinition of 'wgraft_only_one_post_patch'/,
    );
    expect(
      await refused(
        build({ check: `#include "wgraft.h"\nWGRAFT_POST_PATCH static void f(void) {} ${check}` }),
      ),
    ).toMatch(
      /SOURCE_INVALID: check\.c does not compile:[\s\S]*weak declaration cannot have internal linkage/,
    );
    const two = { check: `${marked} ${check}`, get_seen: `${second} int get_seen(void) { return 1; }` };
    expect(await refused(build(two))).toMatch(
      /SOURCE_INVALID: check\.c, get_seen\.c does not compile:[\s\S]*duplicate symbol: wgraft_only_one_post_patch/,
    );
  });

  test('in a source of its own', async () => {
    const callbacks: Source = { kind: 'c', text: marked, file: 'callbacks.c' };
    const { bytes } = await build({ check: 'int check(int x) { return x >= 10; }' }, { callbacks });
    expect(callAll(await standalone(target), bytes, 'get_limit')).toEqual(calledInOrder);
  });
});

describe('from two builds', () => {
  const change = program.replace('x > limit; }', 'x >= limit; }');
  const build = async (next: string, choices: BuildChoices = {}, old = program): Promise<BuiltPatch> => {
    const options = { flags: [...library], files: { 'wgraft.h': wgraftHeader } };
    const builds = { old: await compileC(old, options), new: await compileC(next, options) };
    return patchOf(builds, { ...everySlot, ...choices });
  };

  test('functions that the new build marks', async () => {
    const { manifest, report, bytes } = await build(`${change} ${marked}`);
    expect(manifest.callbacks).toEqual(all);
    expect(report).toMatchObject({
      functions: [{ name: 'check' }],
      callbacks: { prePatch: 'save', postPatch: 'raise', preUnpatch: 'lower', postUnpatch: 'forget' },
    });
    expect(report.notes.join()).not.toContain('__wgraft');
    expect(callAll(await standalone(target), bytes, 'get_limit')).toEqual(calledInOrder);
  });

  test('also where the linker wraps exports so that constructors run: they must not run again', async () => {
    const constructing = `${program} __attribute__((constructor)) static void start(void) { __asm__ volatile(""); seen += 100; }
`;
    const next = constructing.replace('x > limit; }', 'x >= limit; }');
    const { bytes, report } = await build(`${next} ${marked}`, {}, constructing);
    expect(report.callbacks).toMatchObject({ prePatch: 'save' });
    const old = await compileC(constructing, { flags: [...library] });
    const app = await standalone((await prepare(old, everySlot.prepare)).bytes);
    const { instance } = app.stage(bytes);
    const seenBefore = app.exports['get_seen'](); // an export of this build runs the constructors, each time
    const f = instance.exports['__wgraft_pre_patch'];
    if (typeof f === 'function') f();
    expect(app.exports['get_seen']() - seenBefore).toBe(100);
  });

  test('a source beside them, in C or in WAT, that reaches data by its name', async () => {
    const inC = '#include "wgraft.h"\nextern int seen;\nWGRAFT_POST_PATCH void f(void) { seen = 5; }';
    const inWat = `(module (import "target" "memory" (memory 0)) (import "address" "seen" (global $seen i32))
      (func (export "__wgraft_post_patch") (i32.store (global.get $seen) (i32.const 5))))`;
    for (const callbacks of [
      { kind: 'c', text: inC, file: 'f.c' },
      { kind: 'wat', text: inWat, file: 'f.wat' },
    ] as const) {
      const { bytes, manifest } = await build(change, { callbacks, cumulative: true, model: 'hybrid' });
      expect(manifest).toMatchObject({
        cumulative: true,
        model: 'hybrid',
        callbacks: { postPatch: all.postPatch },
      });
      expect(callAll(await standalone(target), bytes, 'get_seen')).toEqual([[all.postPatch, undefined, 5]]);
    }
  });

  test('a callback sets what keepData lets be', async () => {
    const builds = await compileDiff(
      `${macros}
-static volatile int limit = 10;
+#include "wgraft.h"
+static volatile int limit = 20;
+WGRAFT_POST_PATCH void set(void) { limit = 20; }
EXPORT(get_limit) int get_limit(void) { return limit; }
-EXPORT(check) int check(int x) { return x > limit; }
+EXPORT(check) int check(int x) { return x >= limit; }
EXPORT(put) void put(int x) { limit = x; }
`,
      { files: { 'wgraft.h': wgraftHeader } },
    );
    expect(await refused(patchOf(builds, everySlot))).toContain('WGRAFT_ERR_DATA_CHANGED');
    const { bytes } = await patchOf(builds, { ...everySlot, keepData: ['limit'] });
    const app = await standalone((await prepare(builds.old, everySlot.prepare)).bytes);
    expect(callAll(app, bytes, 'get_limit')).toEqual([[all.postPatch, undefined, 20]]);
  });

  test('C sources that wgraft itself compiles have wgraft.h', async () => {
    const main = (fix: string): Promise<Uint8Array> =>
      compileProgram({
        text: `#include "wgraft.h"\n${macros}EXPORT(f) int f(void) { return 1${fix} }\nint main(void) { return f(); }`,
        file: 'app.c',
      });
    const builds = { old: await main(';'), new: await main('1; } WGRAFT_POST_PATCH void g(void) {') };
    expect((await patchOf(builds, everySlot)).report.callbacks).toEqual({ postPatch: 'g' });
  });

  test('callbacks alone are no patch', async () => {
    expect(await refused(build(`${program} ${marked}`))).toContain('WGRAFT_ERR_NOTHING_CHANGED');
  });
});
