// Kernels in which a compiler has marked functions: the marks become slots, the calls and their imports disappear.

import { describe, expect, test } from 'vitest';
import { findSlotMap } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { bodyReader, op, readFunctionNames, readModule, walk } from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';
import type { Exports } from '../../support/kernels.ts';
import { slotted } from '../../support/slots.ts';
import { wat } from '../../support/wat.ts';

/** Before and behind the hook stand other imports; every place that names a function names some that move. */
const kernel = (hook: string, type: string, call: string): string =>
  `(module
  (import "env" "before" (func $before (param i32) (result i32)))
  (import "env" "${hook}" (func $hook ${type}))
  (import "env" "memory" (memory 1))
  (import "env" "after" (func $after (param i32) (result i32)))
  (type $t (func (param i32) (result i32)))
  (type $none (func))
  (global $sp (mut i32) (i32.const 1024))
  (global $taken (mut funcref) (ref.func $framed))
  (table $t 5 funcref)
  (table $u 2 (ref $t) (ref.func $after))
  (elem (table $t) (i32.const 0) func $before $after $leaf $framed)
  (elem $e (table $t) (i32.const 4) funcref (ref.func $notrace))
  (start $begin)
  (func $begin (i32.store (i32.const 0) (call $after (i32.const 1))))
  (func $leaf (export "leaf") (type $t) ${call} (i32.add (call $before (local.get 0)) (i32.const 1)))
  (func $framed (export "framed") (type $t) (local $frame i32)
    (global.set $sp (local.tee $frame (i32.sub (global.get $sp) (i32.const 16))))
    ${call}
    (i32.store (local.get $frame) (local.get 0))
    (local.set 0 (call $after (i32.load (local.get $frame))))
    (global.set $sp (i32.add (local.get $frame) (i32.const 16)))
    (local.get 0))
  (func $notrace (export "notrace") (type $t) (call $leaf (call $after (local.get 0))))
  (func $tail (export "tail") (type $none) ${call === '(call $hook)' ? '(return_call $hook)' : call})
  (func (export "sp") (result i32) (global.get $sp))
  (func (export "ref") (result funcref) (ref.func $leaf))
  (func (export "taken") (result funcref) (global.get $taken))
  (func (export "via") (param i32 i32) (result i32) (call_indirect $t (type $t) (local.get 0) (local.get 1)))
  (func (export "via_u") (param i32 i32) (result i32) (call_ref $t (local.get 0) (table.get $u (local.get 1)))))`;

const imports = (calls: string[] = []): WebAssembly.Imports => {
  const hook = (): void => void calls.push('hook');
  return {
    env: {
      before: (n: number) => 2 * n,
      after: (n: number) => n + 100,
      memory: new WebAssembly.Memory({ initial: 1 }),
      __fentry__: hook,
      __cyg_profile_func_enter_bare: hook,
      __cyg_profile_func_enter: hook,
      my_hook: hook,
    },
  };
};

const addresses = '(call $hook (i32.const 3) (i32.const 0))';
const hooks = [
  ['__fentry__', '', '(call $hook)'],
  ['__cyg_profile_func_enter_bare', '', '(call $hook)'],
  ['__cyg_profile_func_enter', '(param i32 i32)', addresses],
] as const;

const run = (x: Exports): unknown => [
  x['leaf'](5),
  x['framed'](7),
  x['notrace'](1),
  x['tail'](),
  x['sp'](),
  [0, 1, 2, 3, 4].map((i) => x['via'](9, i)),
  [0, 1].map((i) => x['via_u'](9, i)),
  x['ref']()(4),
  x['taken']()(6),
];

describe.each(hooks)('%s', (name, type, call) => {
  const bytes = wat(kernel(name, type, call));

  test('marks functions, and is gone from the prepared module', async () => {
    const { bytes: prepared, report } = await prepare(bytes);
    expect(report).toMatchObject({ fentry: name, policy: 'all', slots: 3, slotless: { notrace: 7 } });
    const m = readModule(prepared);
    expect(m.imports.map((i) => i.name)).toEqual(['memory', 'before', 'after']);
    const map = findSlotMap(prepared);
    const told = map?.functions.map((f) => [f.name, f.original, f.index, f.slot, f.reason]);
    expect(told?.slice(0, 5)).toEqual([
      ['begin', 3, 2, undefined, 'notrace'],
      ['leaf', 4, 3, 0, undefined],
      ['framed', 5, 4, 1, undefined],
      ['notrace', 6, 5, undefined, 'notrace'],
      ['tail', 7, 6, 2, undefined],
    ]);
    const names = readFunctionNames(prepared, m.sections);
    expect([...names].slice(0, 7)).toEqual([
      [0, 'before'],
      [1, 'after'],
      [2, 'begin'],
      [3, 'leaf'],
      [4, 'framed'],
      [5, 'notrace'],
      [6, 'tail'],
    ]);
  });

  test('the guard stands before the prologue of the frame, the way to the patch behind all', async () => {
    const { bytes: prepared } = await prepare(bytes);
    const m = readModule(prepared);
    const framed = m.bodies[4 - m.imported.func] ?? { start: 0, end: 0 };
    const opcodes: number[] = [];
    walk(bodyReader(prepared, framed), (i) => void opcodes.push(i.opcode));
    expect(opcodes.slice(0, 3)).toEqual([op.globalGet, op.i32Eqz, op.if]);
    const redirect = [op.globalGet, op.globalSet, op.localGet, op.returnCall, op.end];
    expect(opcodes.slice(-7)).toEqual([op.else, ...redirect, op.end]);
  });

  test.each(['splice', 'binaryen'] as const)('the %s engine keeps what the kernel does', async (engine) => {
    const calls: string[] = [];
    const plain = await WebAssembly.instantiate(bytes, imports(calls));
    const expected = run({ ...plain.instance.exports });
    expect(calls.length).toBeGreaterThan(5);
    calls.length = 0;
    const { bytes: prepared } = await prepare(bytes, { engine });
    const first = await slotted(prepared, imports(calls));
    expect(run(first.exports)).toEqual(expected);
    const second = await slotted(prepared, imports(calls));
    for (const f of first.map.functions)
      if (f.slot !== undefined) first.redirect(f.index, second.take(f.index));
    expect(run(first.exports)).toEqual(expected);
    expect(calls).toEqual([]);
  });
});

test('-finstrument-functions: the hook of the exit goes away too', async () => {
  const bytes = wat(`(module
    (import "env" "__cyg_profile_func_exit" (func $exit (param i32 i32)))
    (import "env" "__cyg_profile_func_enter" (func $enter (param i32 i32)))
    (func (export "f") (result i32)
      (call $enter (i32.const 1) (i32.const 0)) (call $exit (i32.const 1) (i32.const 0)) (i32.const 6)))`);
  const { bytes: prepared, report } = await prepare(bytes);
  expect(readModule(prepared).imports).toEqual([]);
  expect(report).toMatchObject({ fentry: '__cyg_profile_func_enter', slots: 1 });
  expect((await slotted(prepared)).exports['f']()).toBe(6);
});

// The call site comes from a function of the host, which stays: it belongs to the program.
test('C with -finstrument-functions: the hook takes an address of the function and one of its caller', async () => {
  const source = `
    __attribute__((noinline, export_name("twice"))) int twice(int x) { return x * 2; }
    __attribute__((export_name("sum"))) int sum(int x) { return twice(x) + twice(x + 1); }`;
  const target = '--target=wasm32-unknown-emscripten';
  const flags = [target, '-nostdlib', '-Wl,--no-entry', '-Wl,--allow-undefined', '-finstrument-functions'];
  const bytes = await compileC(source, { flags });
  const { bytes: prepared, report } = await prepare(bytes);
  expect(report).toMatchObject({ fentry: '__cyg_profile_func_enter', functions: 2, slots: 2 });
  const host = { env: { emscripten_return_address: () => 0 } };
  const { exports, redirect } = await slotted(prepared, host);
  expect(exports['sum'](4)).toBe(18);
  redirect('twice', (await slotted(prepared, host)).take('sum'));
  expect(exports['sum'](4)).toBe(18 + 22);
});

test('a hook of another name, when it is asked for', async () => {
  const bytes = wat(kernel('my_hook', '', '(call $hook)'));
  expect((await prepare(bytes)).report.fentry).toBeUndefined();
  const { report } = await prepare(bytes, { fentry: 'my_hook', slots: 'entry' });
  expect(report).toMatchObject({ fentry: 'my_hook', policy: 'entry', slots: 3, slotless: { notrace: 7 } });
});

const refused: readonly (readonly [reason: string, text: string])[] = [
  [
    'its type is (i32) -> (); an fentry hook is () -> () or (i32, i32) -> ()',
    '(import "env" "__fentry__" (func $h (param i32)))',
  ],
  ['it is exported', '(import "env" "__fentry__" (func $h)) (export "h" (func $h))'],
  [
    'its address is taken',
    '(import "env" "__fentry__" (func $h)) (table 1 funcref) (elem (i32.const 0) func $h)',
  ],
  ['its address is taken', '(import "env" "__fentry__" (func $h)) (global funcref (ref.func $h))'],
  ['its address is taken', '(import "env" "__fentry__" (func $h)) (table 1 funcref (ref.func $h))'],
  ['it is the start function', '(import "env" "__fentry__" (func $h)) (start $h)'],
];

test.each(refused)('a hook that cannot be taken out is refused: %s', async (reason, fields) => {
  await expect(prepare(wat(`(module ${fields})`))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_FENTRY_UNUSABLE',
    details: { name: '__fentry__', reason },
  });
});

test('a hook that was asked for and is not there is refused', async () => {
  await expect(prepare(wat('(module)'), { fentry: 'mcount' })).rejects.toMatchObject({
    code: 'WGRAFT_ERR_FENTRY_UNUSABLE',
    details: { name: 'mcount', reason: 'the kernel does not import it from "env"' },
  });
});

test('C, as clang instruments it', async () => {
  const source = `
    #define NOTRACE __attribute__((no_instrument_function, noinline))
    #define NOINLINE __attribute__((noinline))
    volatile int n;
    NOINLINE int leaf(int x) { return x * 3 + n; }
    NOINLINE int framed(int x) { volatile int a[8]; for (int i = 0; i < 8; i++) a[i] = x + i; return a[3] + leaf(x); }
    NOTRACE int quiet(int x) { return leaf(x) + 1; }
    __attribute__((export_name("work"))) int work(int x) { return framed(x) * 1000 + quiet(x); }`;
  const flags = ['-nostdlib', '-Wl,--no-entry', '-Wl,--allow-undefined', '-finstrument-function-entry-bare'];
  const bytes = new Uint8Array(await compileC(source, { flags }));
  const calls: number[] = [];
  const imports = { env: { __cyg_profile_func_enter_bare: () => calls.push(1) } };
  const plain = await WebAssembly.instantiate(bytes, imports);
  const expected = (plain.instance.exports['work'] as (x: number) => number)(5);
  expect([expected, calls.length]).toEqual([(5 + 3 + 15) * 1000 + 16, 4]);
  const { bytes: prepared, report } = await prepare(bytes);
  const { exports, map, redirect } = await slotted(prepared);
  expect(exports['work'](5)).toBe(expected);
  expect(report.fentry).toBe('__cyg_profile_func_enter_bare');
  const slots = map.functions.map((f) => `${f.name} ${f.reason ?? 'slot'}`);
  expect(slots.filter((line) => /^(leaf|framed|quiet|work) /.test(line)).sort()).toEqual([
    'framed slot',
    'leaf slot',
    'quiet notrace',
    'work slot',
  ]);
  redirect('leaf', (await slotted(prepared)).take('framed'));
  expect(exports['work'](5)).toBe((5 + 3 + 8 + 15) * 1000 + 8 + 15 + 1);
});
