// livepatch's test-shadow-vars.sh (case 17): one story, told by a patch in C, by one in WAT and by the host, compared as a log.

import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type BuiltPatch, buildPatch, type Source } from '../../src/build/index.ts';
import { type InstanceHandle, instantiate, Patcher } from '../../src/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { compileC } from '../support/compile-c.ts';

/** Its functions do nothing; those of a patch work on shadow variables. */
const program = `
#include <stdlib.h>
#define EXPORT(name) __attribute__((noinline, export_name(#name))) name
void log_ctor(void *object, int value) __attribute__((import_module("env"), import_name("log_ctor")));
void log_dtor(void *object, int value) __attribute__((import_module("env"), import_name("log_dtor")));
static int objects[3][4];
static void (*volatile logger)(void *, int) = log_ctor;
void *EXPORT(object)(int i) { logger(objects, 0); log_dtor(objects, 0); return objects[i]; }
int *EXPORT(get)(void *object, unsigned id) { return 0; }
int *EXPORT(alloc)(void *object, unsigned id, int value) { return 0; }
int *EXPORT(get_or_alloc)(void *object, unsigned id, int value) { return 0; }
void EXPORT(free_one)(void *object, unsigned id, int dtor) { log_dtor(object, id); }
void EXPORT(free_all)(unsigned id, int dtor) { log_dtor(0, id); }
void *EXPORT(take)(unsigned size) { return malloc(size); }
void EXPORT(give)(void *data) { free(data); }
`;

const functions = ['get', 'alloc', 'get_or_alloc', 'free_one', 'free_all'];

const inC = `#include "wgraft.h"
extern void log_ctor(void *object, int value);
extern void log_dtor(void *object, int value);
static int ctor(void *object, void *data, void *value) {
  log_ctor(object, *(int *)data);
  *(int *)data = *(int *)value;
  if (*(int *)value == 666) __builtin_trap();
  return *(int *)value < 0 ? -12 : 0;
}
static void dtor(void *object, void *data) {
  log_dtor(object, *(int *)data);
  if (*(int *)data == 13) __builtin_trap();
}
int *get(void *object, unsigned id) { return wgraft_shadow_get(object, id); }
int *alloc(void *object, unsigned id, int value) { return wgraft_shadow_alloc(object, id, 8, ctor, &value); }
int *get_or_alloc(void *object, unsigned id, int value) {
  return wgraft_shadow_get_or_alloc(object, id, 8, ctor, &value);
}
void free_one(void *object, unsigned id, int call) { wgraft_shadow_free(object, id, call ? dtor : 0); }
void free_all(unsigned id, int call) { wgraft_shadow_free_all(id, call ? dtor : 0); }
`;

const inWat = `(module
  (import "target" "memory" (memory 0))
  (import "target" "table" (table 0 funcref))
  (import "patch" "table_base" (global $table i32))
  (import "target" "log_ctor" (func $log_ctor (param i32 i32)))
  (import "target" "log_dtor" (func $log_dtor (param i32 i32)))
  (import "patch" "shadow_get" (func $get (param i32 i32) (result i32)))
  (import "patch" "shadow_alloc" (func $alloc (param i32 i32 i32 i32 i32) (result i32)))
  (import "patch" "shadow_get_or_alloc" (func $get_or_alloc (param i32 i32 i32 i32 i32) (result i32)))
  (import "patch" "shadow_free" (func $free (param i32 i32 i32)))
  (import "patch" "shadow_free_all" (func $free_all (param i32 i32)))
  (elem (global.get $table) $ctor $dtor)
  (func $ctor (param $object i32) (param $data i32) (param $value i32) (result i32)
    (call $log_ctor (local.get $object) (i32.load (local.get $data)))
    (i32.store (local.get $data) (local.get $value))
    (if (i32.eq (local.get $value) (i32.const 666)) (then (unreachable)))
    (i32.lt_s (local.get $value) (i32.const 0)))
  (func $dtor (param $object i32) (param $data i32)
    (call $log_dtor (local.get $object) (i32.load (local.get $data)))
    (if (i32.eq (i32.load (local.get $data)) (i32.const 13)) (then (unreachable))))
  (func $dtor_or_none (param $call i32) (result i32)
    (select (i32.add (global.get $table) (i32.const 1)) (i32.const 0) (local.get $call)))
  (func (export "get") (param i32 i32) (result i32) (call $get (local.get 0) (local.get 1)))
  (func (export "alloc") (param i32 i32 i32) (result i32)
    (call $alloc (local.get 0) (local.get 1) (i32.const 8) (global.get $table) (local.get 2)))
  (func (export "get_or_alloc") (param i32 i32 i32) (result i32)
    (call $get_or_alloc (local.get 0) (local.get 1) (i32.const 8) (global.get $table) (local.get 2)))
  (func (export "free_one") (param i32 i32 i32)
    (call $free (local.get 0) (local.get 1) (call $dtor_or_none (local.get 2))))
  (func (export "free_all") (param i32 i32)
    (call $free_all (local.get 0) (call $dtor_or_none (local.get 1)))))`;

let target: Uint8Array;

beforeAll(async () => {
  const flags = ['-nostartfiles', '-Wl,--no-entry'];
  target = (await prepare(await compileC(program, { flags }), { slots: 'all' })).bytes;
});

function patch(kind: Source['kind'], text: string, name: string = kind): Promise<BuiltPatch> {
  const source = { kind, text, file: `fix.${kind}` };
  return buildPatch({ target, name, replacements: functions.map((f) => ({ function: f, source })) });
}

/** The five operations, whoever carries them out; `value` goes to the constructor, `dtor` says whether there is a destructor. */
interface Operations {
  get(object: number, id: number): number;
  alloc(object: number, id: number, value: number): number;
  getOrAlloc(object: number, id: number, value: number): number;
  free(object: number, id: number, dtor: boolean): void;
  freeAll(id: number, dtor: boolean): void;
}

interface App extends Pick<InstanceHandle, 'shadow'> {
  readonly patcher: Patcher;
  // biome-ignore lint/suspicious/noExplicitAny: exports of the program above
  readonly exports: Record<string, any>;
}

async function start(env: WebAssembly.ModuleImports): Promise<App> {
  const patcher = new Patcher();
  const { instance, wgraft } = await instantiate(target, { env }, { name: 'app', patcher });
  return { patcher, exports: instance.exports, shadow: wgraft.shadow };
}

interface Stage extends Operations {
  readonly app: App;
  readonly objects: readonly number[];
  /** Writes a step down with its outcome. */
  step(text: string, run: () => number | undefined): void;
  readonly log: string[];
}

type Teller = 'c' | 'wat' | 'host';

async function stage(teller: Teller): Promise<Stage> {
  const log: string[] = [];
  const objects: number[] = [];
  const name = (object: number): string => 'abc'[objects.indexOf(object)] ?? '?';
  const env = {
    log_ctor: (object: number, value: number) => void log.push(`  ctor ${name(object)}, data was ${value}`),
    log_dtor: (object: number, value: number) => void log.push(`  dtor ${name(object)}, data ${value}`),
  };
  const app = await start(env);
  objects.push(...[0, 1, 2].map((i) => app.exports['object'](i)));
  log.length = 0;
  const value = (address: number): number =>
    new DataView(app.exports['memory'].buffer).getInt32(address, true);
  if (teller !== 'host') await app.patcher.apply((await patch(teller, teller === 'c' ? inC : inWat)).bytes);
  return {
    app,
    objects,
    log,
    step(text, run) {
      const at = log.push('') - 1;
      const said = (): string => {
        try {
          const data = run();
          return data === undefined ? 'done' : data === 0 ? 'none' : `data ${value(data)}`;
        } catch (error) {
          return error instanceof WebAssembly.RuntimeError ? 'trap' : String(error);
        }
      };
      log[at] = `${text}: ${said()}`;
    },
    ...(teller === 'host' ? byHost(app, env, value) : byPatch(app)),
  };
}

function byPatch({ exports }: App): Operations {
  const call = (name: string, ...args: number[]): number => exports[name](...args);
  return {
    get: (object, id) => call('get', object, id),
    alloc: (object, id, value) => call('alloc', object, id, value),
    getOrAlloc: (object, id, value) => call('get_or_alloc', object, id, value),
    free: (object, id, dtor) => void call('free_one', object, id, Number(dtor)),
    freeAll: (id, dtor) => void call('free_all', id, Number(dtor)),
  };
}

type Logger = (object: number, value: number) => void;

function byHost(
  app: App,
  env: { readonly log_ctor: Logger; readonly log_dtor: Logger },
  valueAt: (address: number) => number,
): Operations {
  const ctor = (value: number) => (object: number, data: number) => {
    env.log_ctor(object, valueAt(data));
    new DataView(app.exports['memory'].buffer).setInt32(data, value, true);
    if (value === 666) throw new WebAssembly.RuntimeError('unreachable');
    return value < 0 ? -12 : 0;
  };
  const dtor = (object: number, data: number): void => {
    env.log_dtor(object, valueAt(data));
    if (valueAt(data) === 13) throw new WebAssembly.RuntimeError('unreachable');
  };
  const { shadow } = app;
  return {
    get: (object, id) => shadow.get(object, id),
    alloc: (object, id, value) => shadow.alloc(object, id, 8, ctor(value)),
    getOrAlloc: (object, id, value) => shadow.getOrAlloc(object, id, 8, ctor(value)),
    free: (object, id, call) => shadow.free(object, id, call ? dtor : undefined),
    freeAll: (id, call) => shadow.freeAll(id, call ? dtor : undefined),
  };
}

const [id1, id2] = [0x1234, 0x1235];
const idName = (id: number): string => (id === id1 ? '1' : '2');

describe.each<Teller>(['c', 'wat', 'host'])('told by %s', (teller) => {
  // - Nothing is there before it is allocated.
  // - Three objects get data under the first id by alloc, under the second by get_or_alloc: each constructor runs once.
  // - Each get finds its own; get_or_alloc of what is there runs no constructor.
  // - The first id is freed object by object, with a destructor: the second one's data stays.
  // - The second id is freed at once, without a destructor: nothing is left.
  test('17: basic shadow variable API', async () => {
    const s = await stage(teller);
    const [a = 0, b = 0, c = 0] = s.objects;
    const each = [
      [a, 'a', 1],
      [b, 'b', 2],
      [c, 'c', 3],
    ] as const;
    const getAll = (id: number): void => {
      for (const [object, name] of each) s.step(`get ${name} ${idName(id)}`, () => s.get(object, id));
    };
    s.step('get a 1', () => s.get(a, id1));
    for (const [object, name, n] of each) s.step(`alloc ${name} 1`, () => s.alloc(object, id1, 10 * n));
    for (const [object, name, n] of each)
      s.step(`get_or_alloc ${name} 2`, () => s.getOrAlloc(object, id2, 100 * n));
    getAll(id1);
    getAll(id2);
    for (const [object, name] of each) s.step(`get_or_alloc ${name} 2`, () => s.getOrAlloc(object, id2, 9));
    for (const [object, name] of each) {
      s.step(`free ${name} 1`, () => void s.free(object, id1, true));
      s.step(`get ${name} 1`, () => s.get(object, id1));
    }
    getAll(id2);
    s.step('free_all 2', () => void s.freeAll(id2, false));
    getAll(id2);
    s.step('free a 1', () => void s.free(a, id1, true));
    s.step('free_all 2', () => void s.freeAll(id2, true));
    expect(s.log).toEqual([
      'get a 1: none',
      ...['a: data 10', 'b: data 20', 'c: data 30'].flatMap((line) => [
        `alloc ${line.replace(':', ' 1:')}`,
        `  ctor ${line[0]}, data was 0`,
      ]),
      ...['a: data 100', 'b: data 200', 'c: data 300'].flatMap((line) => [
        `get_or_alloc ${line.replace(':', ' 2:')}`,
        `  ctor ${line[0]}, data was 0`,
      ]),
      ...['a 1: data 10', 'b 1: data 20', 'c 1: data 30'].map((line) => `get ${line}`),
      ...['a 2: data 100', 'b 2: data 200', 'c 2: data 300'].map((line) => `get ${line}`),
      ...['a 2: data 100', 'b 2: data 200', 'c 2: data 300'].map((line) => `get_or_alloc ${line}`),
      ...['a, data 10', 'b, data 20', 'c, data 30'].flatMap((line) => [
        `free ${line[0]} 1: done`,
        `  dtor ${line}`,
        `get ${line[0]} 1: none`,
      ]),
      ...['a 2: data 100', 'b 2: data 200', 'c 2: data 300'].map((line) => `get ${line}`),
      'free_all 2: done',
      ...['a 2: none', 'b 2: none', 'c 2: none'].map((line) => `get ${line}`),
      'free a 1: done',
      'free_all 2: done',
    ]);
  });

  // - A second alloc gets nothing, runs no constructor and warns; the data that is there stays.
  // - A constructor that refuses, or traps, leaves nothing behind, and the next one may succeed.
  // - A destructor that traps: its data is gone, what freeAll had not come to is there.
  test('17: duplicates, refusals and traps', async () => {
    const s = await stage(teller);
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }): void => void warnings.push(`${warning.code}`);
    process.on('warning', listen);
    onTestFinished(() => void process.off('warning', listen));
    const [a = 0, b = 0, c = 0] = s.objects;
    s.step('alloc a', () => s.alloc(a, id1, 7));
    s.step('alloc a again', () => s.alloc(a, id1, 8));
    s.step('get a', () => s.get(a, id1));
    s.step('alloc b, refused', () => s.alloc(b, id1, -1));
    s.step('get b', () => s.get(b, id1));
    s.step('get_or_alloc b, trapped', () => s.getOrAlloc(b, id1, 666));
    s.step('get b', () => s.get(b, id1));
    s.step('get_or_alloc b', () => s.getOrAlloc(b, id1, 13));
    s.step('alloc c', () => s.alloc(c, id1, 9));
    s.step('free_all', () => void s.freeAll(id1, true));
    s.step('get b', () => s.get(b, id1));
    s.step('get c', () => s.get(c, id1));
    s.step('free_all', () => void s.freeAll(id1, true));
    expect(s.log).toEqual([
      ...['alloc a: data 7', '  ctor a, data was 0', 'alloc a again: none', 'get a: data 7'],
      ...['alloc b, refused: none', '  ctor b, data was 0', 'get b: none'],
      ...['get_or_alloc b, trapped: trap', '  ctor b, data was 0', 'get b: none'],
      ...['get_or_alloc b: data 13', '  ctor b, data was 0', 'alloc c: data 9', '  ctor c, data was 0'],
      ...['free_all: trap', '  dtor a, data 7', '  dtor b, data 13', 'get b: none', 'get c: data 9'],
      ...['free_all: done', '  dtor c, data 9'],
    ]);
    await expect.poll(() => warnings).toEqual(['WGRAFT_WARN_SHADOW_EXISTS']);
  });
});

// - A patch in C attaches data; it is reverted, and the data stays.
// - The host and a second patch, in WAT, find it; the host attaches more, which the patch finds.
// - The second patch frees all: the host finds nothing, and the program's allocator has its memory back.
test('one store: patches and the host share it, and it outlives a patch', async () => {
  const s = await stage('host');
  const { app, log } = s;
  const [a = 0, b = 0] = s.objects;
  const own = byPatch(app);
  await app.patcher.apply((await patch('c', inC)).bytes);
  s.step('C allocates a', () => own.alloc(a, id1, 11));
  await app.patcher.revert('c');
  s.step('the program gets a', () => own.get(a, id1));
  s.step('the host gets a', () => app.shadow.get(a, id1));
  await app.patcher.apply((await patch('wat', inWat)).bytes);
  s.step('WAT gets a', () => own.get(a, id1));
  s.step('the host allocates b', () => s.alloc(b, id1, 22));
  s.step('WAT gets b', () => own.get(b, id1));
  const [first, second] = [app.shadow.get(a, id1), app.shadow.get(b, id1)];
  s.step('WAT frees all', () => void own.freeAll(id1, true));
  s.step('the host gets a', () => app.shadow.get(a, id1));
  expect(log).toEqual([
    'C allocates a: data 11',
    '  ctor a, data was 0',
    'the program gets a: none',
    'the host gets a: data 11',
    'WAT gets a: data 11',
    'the host allocates b: data 22',
    '  ctor b, data was 0',
    'WAT gets b: data 22',
    'WAT frees all: done',
    '  dtor a, data 11',
    '  dtor b, data 22',
    'the host gets a: none',
  ]);
  const again = [app.exports['take'](8), app.exports['take'](8)];
  expect(again.sort()).toEqual([first, second].sort());
});
