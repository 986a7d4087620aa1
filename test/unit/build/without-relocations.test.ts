// Patches from builds that have no relocations: AssemblyScript, release builds of C with and without names. Code is matched and
// replaced; where a constant might be an address that moved, nothing is guessed.

import asc from 'assemblyscript/asc';
import { describe, expect, test } from 'vitest';
import { diffBuilds } from '../../../src/build/index.ts';
import { WgraftError } from '../../../src/errors.ts';
import { compileC } from '../../support/compile-c.ts';
import {
  type Builds,
  type Call,
  contentsOf,
  patchOf,
  run,
  runPlain,
  sourcesOf,
} from '../../support/two-builds.ts';
import { wat, withoutNames } from '../../support/wat.ts';

const everySlot = { prepare: { slots: 'all' } } as const;

async function compileAssemblyScript(source: string, flags: readonly string[]): Promise<Uint8Array> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ['main.ts', '--outFile', 'main.wasm', '--runtime', 'stub', ...flags],
    {
      readFile: (name) => (name === 'main.ts' ? source : null),
      writeFile: (name, content) => {
        if (name === 'main.wasm' && content instanceof Uint8Array) wasm = content;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || wasm === undefined) throw new Error(stderr.toString());
  return wasm;
}

async function buildsOf(diff: string, compile: (source: string) => Promise<Uint8Array>): Promise<Builds> {
  const [old, next] = sourcesOf(diff);
  return { old: await compile(old), new: await compile(next) };
}

const assemblyScript = (diff: string, ...flags: readonly string[]): Promise<Builds> =>
  buildsOf(diff, (source) => compileAssemblyScript(source, flags));
const strippedC = (diff: string, ...flags: readonly string[]): Promise<Builds> =>
  buildsOf(diff, (source) =>
    compileC(`#define EXPORT(name) __attribute__((noinline, export_name(#name)))\n${source}`, {
      flags: ['-nostartfiles', '-Wl,--no-entry', ...flags],
    }),
  );

/** What the same look sees before, with and after the patch, and in the new build from the start. */
async function story(
  builds: Builds,
  look: (call: Call) => unknown,
  imports: WebAssembly.Imports = {},
): Promise<unknown[]> {
  const patch = await patchOf(builds, everySlot);
  const live = await run(builds.old, everySlot, imports);
  const seen = [look(live.call)];
  await live.patcher.apply(patch.bytes);
  seen.push(look(live.call));
  await live.patcher.revert(undefined);
  seen.push(look(live.call), look((await runPlain(builds.new, imports)).call));
  return seen;
}

async function refusal(builds: Builds): Promise<string> {
  const error: unknown = await patchOf(builds, everySlot).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!WgraftError.is(error)) throw error ?? new Error('nothing was refused');
  return `${error.code}: ${error.message}`;
}

describe('what looks the same', () => {
  const calls = (entry: number): string => `(call_indirect (type $t) (local.get 0) (i32.const ${entry}))`;
  const module = (constant: number, more = ''): Uint8Array =>
    withoutNames(
      wat(`(module
        (type $t (func (param i32) (result i32)))
        (import "env" "log" (func $log (param i32) (result i32)))
        (import "env" "log" (func $same (param i32) (result i32)))
        (memory 1)
        (table 8 funcref)
        (elem (i32.const 1) $a $b $c)
        ${more}
        (func $a (type $t) (call $log (local.get 0)))
        (func $b (type $t) (call $same (local.get 0)))
        (func $c (type $t) (call $log (local.get 0)))
        (func (export "run") (type $t)
          (i32.add (i32.const ${constant}) (i32.add ${calls(1)} (i32.add ${calls(2)} ${calls(3)}))))
      )`),
    );

  test('functions in the table, and imports of one name: only what changed is replaced', async () => {
    const builds = { old: module(1), new: module(2, '(func $new (export "more") (nop))') };
    const { changed, added, removed, refused } = await diffBuilds({ ...builds, ...everySlot });
    expect({ changed: changed.map(({ index }) => index), added, removed, refused }).toEqual({
      changed: [{ old: 5, new: 6 }],
      added: ['more'],
      removed: [],
      refused: [],
    });
    const imports = { env: { log: (n: number) => n } };
    expect(await story(builds, (call) => call('run', 3), imports)).toEqual([10, 11, 10, 11]);
  });

  test('functions that nothing tells apart, called by one that makes other calls than before', async () => {
    const twins = (sum: string): Uint8Array =>
      withoutNames(
        wat(`(module
          (func $a (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
          (func $b (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
          (func (export "run") (param i32) (result i32) ${sum}))`),
      );
    const call = (name: string): string => `(call ${name} (local.get 0))`;
    const builds = {
      old: twins(`(i32.sub ${call('$a')} ${call('$b')})`),
      new: twins(`(i32.add ${call('$a')} (i32.add ${call('$b')} ${call('$a')}))`),
    };
    expect(contentsOf(await patchOf(builds, everySlot))).toEqual({ replaced: ['run'], added: [] });
    expect(await story(builds, (c) => c('run', 5))).toEqual([0, 45, 0, 45]);
  });
});

describe('AssemblyScript', () => {
  const limits = `
    let total: i32 = 0;
-   function limit(n: i32): i32 { return n > 10 ? 10 : n; }
+   function half(n: i32): i32 { return total > 100000 ? n : n / 2; }
+   function limit(n: i32): i32 { return n < 0 ? 0 : n > 20 ? 20 : half(n); }
    export function add(n: i32): i32 { total += limit(n); return total; }
    export function text(n: i32): string { return "total: " + (total + n).toString(); }
  `;
  const imports = { env: { abort: () => {} } };
  const look = (call: Call): unknown => [call('add', 50), call('add', -4)];

  test.each([
    ['debug', ['--debug', '-O0']],
    ['release with names', ['--debug', '-O2', '--noAssert']],
  ])('%s: a changed and a new function; the state stays', async (_, flags) => {
    const builds = await assemblyScript(limits, ...flags);
    expect(await story(builds, look, imports)).toEqual([
      [10, 6],
      [26, 26],
      [36, 32],
      [20, 20],
    ]);
  });

  test('what is replaced has its names', async () => {
    const builds = await assemblyScript(limits, '--debug', '-O0');
    expect(contentsOf(await patchOf(builds, everySlot))).toEqual({
      replaced: ['main/limit'],
      added: ['main/half'],
    });
    const { changed, added, refused } = await diffBuilds({ ...builds, ...everySlot });
    expect({ changed: changed.map((c) => c.name), added, refused }).toEqual({
      changed: ['main/limit'],
      added: ['main/half'],
      refused: [],
    });
  });

  test('a changed string is data that changed: refused with a way out', async () => {
    const builds = await assemblyScript(
      `
-     export function say(): string { return "hello"; }
+     export function say(): string { return "howdy"; }
      `,
      '-O2',
    );
    expect(await refusal(builds)).toMatch(
      /^WGRAFT_ERR_ADDRESS_UNKNOWN: the builds have no relocations, and the data at address \d+ is another: it changed or moved$/,
    );
  });

  test('a new string stands where the program has its heap: refused, with the function that uses it', async () => {
    const builds = await assemblyScript(
      `
      export function say(): string { return "hello"; }
-     export function name(n: i32): string { return say(); }
+     export function name(n: i32): string { return n > 3 ? "many" : say(); }
      `,
      '--debug',
      '-O1',
    );
    expect(await refusal(builds)).toMatch(
      /^WGRAFT_ERR_ADDRESS_UNKNOWN: the builds have no relocations, and in "main\/name" the constant \d+ may be an address/,
    );
  });
});

describe('C', () => {
  const queue = `
    struct { int items[16], count; } q;
    static __attribute__((noinline)) int at(int i) { return q.items[i & 15]; }
-   EXPORT(push) int push(int n) { q.items[q.count++] = n; return q.count; }
+   static __attribute__((noinline)) int room(int n) { return n < 16; }
+   EXPORT(push) int push(int n) { if (!room(q.count)) return -1; q.items[q.count++] = n; return q.count; }
    EXPORT(sum) int sum(void) { int s = 0; for (int i = 0; i < q.count; i++) s += at(i); return s; }
  `;
  const look = (call: Call): unknown => {
    for (let i = 0; i < 14; i += 1) call('push', 1);
    return [call('push', 5), call('sum')];
  };
  const withState: unknown[] = [
    [15, 19],
    [-1, 20],
    [15, 19],
  ];

  test.each([
    ['with names', []],
    ['stripped', ['-Wl,--strip-all']],
  ])('%s: its variables are where they were', async (_, flags) => {
    const builds = await strippedC(queue, ...flags);
    const patch = await patchOf(builds, everySlot);
    const live = await run(builds.old, everySlot);
    expect(look(live.call)).toEqual(withState[0]);
    await live.patcher.apply(patch.bytes);
    // One place is left.
    expect([live.call('push', 1), live.call('push', 1), live.call('sum')]).toEqual([16, -1, 20]);
    expect(look((await runPlain(builds.new)).call)).toEqual(withState[2]);
  });

  test('static variables that the compiler places in the order of their first use, which the fix changed', async () => {
    const builds = await strippedC(
      `
      static int items[16];
      static int count;
-     EXPORT(push) int push(int n) { items[count & 15] = n; return ++count; }
+     EXPORT(push) int push(int n) { if (count == 16) return -1; items[count & 15] = n; return ++count; }
      EXPORT(at) int at(int i) { return items[i & 15]; }
      `,
      '-Wl,--strip-all',
    );
    expect(await refusal(builds)).toMatch(
      /^WGRAFT_ERR_ADDRESS_UNKNOWN: .* the constant \d+ may be an address/,
    );
  });

  test('a variable that pushes another one aside is noticed', async () => {
    const builds = await strippedC(
      `
-     static int count;
+     static int calls; static int count;
-     EXPORT(next) int next(void) { return ++count; }
+     EXPORT(next) int next(void) { calls++; return ++count + (calls > 5); }
      EXPORT(set) void set(int n) { count = n; }
      `,
      '-Wl,--strip-all',
    );
    expect(await refusal(builds)).toMatch(/^WGRAFT_ERR_ADDRESS_UNKNOWN: .* may be an address/);
  });

  test('the same build twice: nothing changed', async () => {
    const [old] = sourcesOf(queue);
    const { old: build } = await strippedC(old, '-Wl,--strip-all');
    expect(await refusal({ old: build, new: build })).toMatch(/^WGRAFT_ERR_NOTHING_CHANGED/);
  });

  test('one build with relocations and one without do not go together', async () => {
    const [old, next] = sourcesOf(queue);
    const builds = {
      old: (await strippedC(old, '-Wl,--emit-relocs')).old,
      new: (await strippedC(next)).old,
    };
    expect(await refusal(builds)).toMatch(/^WGRAFT_ERR_SYMBOLS_UNSUITABLE: .*the new build was not linked/);
  });
});

describe('what is not guessed', () => {
  const refused = async (old: string, next: string): Promise<string> =>
    refusal({ old: await wat(old), new: await wat(next) });
  const start = 'WGRAFT_ERR_ADDRESS_UNKNOWN: the builds have no relocations, and ';

  test('variables that changed places', async () => {
    const program = (a: number, b: number, limit: number): string => `(module (memory 1)
      (func (export "move") (param i32)
        (i32.store offset=${a} (i32.const 0) (i32.sub (i32.load offset=${a} (i32.const 0)) (local.get 0)))
        (i32.store offset=${b} (i32.const 0) (i32.add (i32.load offset=${b} (i32.const 0)) (i32.const ${limit})))))`;
    expect(await refused(program(2048, 2052, 1), program(2052, 2048, 2))).toMatch(
      /in ".*" the constants 2052, 2048 have changed places, as they do when variables have$/,
    );
  });

  test('another function at the same entry of the table', async () => {
    const program = (first: string, second: string): string => `(module (table 2 funcref)
      (elem (i32.const 0) ${first} ${second})
      (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2))
      (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))`;
    expect(await refused(program('$a', '$b'), program('$b', '$a'))).toBe(
      `${start}entry 0 of the function table is another function`,
    );
  });

  test('a global that starts with another value is a variable that does', async () => {
    const program = (
      value: number,
      step: number,
    ): string => `(module (global $count (mut i32) (i32.const ${value}))
      (func (export "next") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const ${step}))) (global.get $count)))`;
    const builds = { old: await wat(program(1, 1)), new: await wat(program(5, 2)) };
    expect(await refusal(builds)).toMatch(/^WGRAFT_ERR_DATA_CHANGED: the variable "count" starts/);
    const patch = await patchOf(builds, { ...everySlot, keepData: ['count'] });
    const live = await run(builds.old, everySlot);
    await live.patcher.apply(patch.bytes);
    expect(live.call('next')).toBe(3);
  });

  test('a changed start function, which ran already', async () => {
    const program = (value: number): string => `(module (global $n (mut i32) (i32.const 0)) (start $init)
      (func $init (global.set $n (i32.const ${value})))
      (func (export "get") (result i32) (global.get $n)))`;
    expect(await refused(program(1), program(2))).toMatch(/^WGRAFT_ERR_START_CODE_CHANGED/);
  });
});
