// Every way into a patched function, and everything that can go through a redirect.

import { describe, expect, test } from 'vitest';
import { story } from '../../support/story.ts';

describe('every way in', () => {
  // - a kernel keeps a function pointer in its memory and another in its table
  // - the host keeps an export
  // - a patch replaces the function behind all of them
  test('function pointers, cached exports and direct calls all reach the patch, and come back', async () => {
    const app = await story(`(module
      (type $fee (func (param i32) (result i32)))
      (memory 1)
      (table $handlers 4 funcref)
      (elem (i32.const 2) $fee)
      (func $fee (export "fee") (type $fee) (i32.div_s (local.get 0) (i32.const 100)))
      (func $register (export "register") (i32.store (i32.const 64) (i32.const 2)))
      (func $stored (export "stored") (param i32) (result i32)
        (call_indirect $handlers (type $fee) (local.get 0) (i32.load (i32.const 64))))
      (func $direct (export "direct") (param i32) (result i32) (call $fee (local.get 0))))`);
    const { fee, stored, direct, register } = app.exports;
    register();
    const ways = (): number[] => [fee(500), stored(500), direct(500)];
    expect(ways()).toEqual([5, 5, 5]);

    const patch = await app.patch(
      'no-fee',
      'fee',
      '(module (func $fee (export "fee") (param i32) (result i32) (i32.const 0)))',
    );
    await app.patcher.apply(patch);
    expect(ways()).toEqual([0, 0, 0]);

    await app.patcher.revert('no-fee');
    expect(ways()).toEqual([5, 5, 5]);
  });

  test('recursion re-enters through the slot', async () => {
    const app = await story(`(module
      (func $fact (export "fact") (param i64) (result i64)
        (if (result i64) (i64.le_s (local.get 0) (i64.const 1)) (then (i64.const 1))
          (else (i64.mul (local.get 0) (call $fact (i64.sub (local.get 0) (i64.const 1))))))))`);
    expect(app.exports['fact'](10n)).toBe(3628800n);
    const patch = await app.patch(
      'sum',
      'fact',
      `(module
        (import "target" "fact" (func $fact (param i64) (result i64)))
        (func $sum (export "fact") (param i64) (result i64)
          (if (result i64) (i64.le_s (local.get 0) (i64.const 1)) (then (i64.const 1))
            (else (i64.add (local.get 0) (call $fact (i64.sub (local.get 0) (i64.const 1))))))))`,
    );
    await app.patcher.apply(patch);
    expect(app.exports['fact'](10n)).toBe(55n);
  });

  test('mutual recursion, both replaced, forty levels deep', async () => {
    const app = await story(`(module
      (func $even (export "even") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
      (func $odd (export "odd") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))`);
    const both = (n: number): number[] => [app.exports['even'](n), app.exports['odd'](n)];
    expect(both(40)).toEqual([1, 0]);
    const patch = await app.patch(
      'hundreds',
      ['even', 'odd'],
      `(module
        (import "target" "even" (func $even (param i32) (result i32)))
        (import "target" "odd" (func $odd (param i32) (result i32)))
        (func $new_even (export "even") (param i32) (result i32)
          (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 100))))
        (func $new_odd (export "odd") (param i32) (result i32)
          (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))`,
    );
    await app.patcher.apply(patch);
    expect(both(40)).toEqual([100, 0]);
    await app.patcher.revert();
    expect(both(40)).toEqual([1, 0]);
  });

  test('return_call into a slot', async () => {
    const app = await story(`(module
      (func $last (param i32) (result i32) (local.get 0))
      (func $loop (export "loop") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (return_call $last (i32.const 1)))
          (else (return_call $loop (i32.sub (local.get 0) (i32.const 1)))))))`);
    expect(app.exports['loop'](1_000_000)).toBe(1);
    const patch = await app.patch(
      'two',
      'last',
      '(module (func (export "last") (param i32) (result i32) (i32.const 2)))',
    );
    await app.patcher.apply(patch);
    expect(app.exports['loop'](1_000_000)).toBe(2);
  });

  test('the original stays callable while its slot is taken, also when it calls itself', async () => {
    const app = await story(`(module
      (global $calls (export "calls") (mut i32) (i32.const 0))
      (func $depth (export "depth") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
          (else (i32.add (i32.const 1) (call $depth (i32.sub (local.get 0) (i32.const 1))))))))`);
    const patch = await app.patch(
      'traced',
      'depth',
      `(module
        (import "original" "depth" (func $original (param i32) (result i32)))
        (import "target" "calls" (global $calls (mut i32)))
        (func $depth (export "depth") (param i32) (result i32)
          (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
          (call $original (local.get 0))))`,
    );
    await app.patcher.apply(patch);
    expect(app.exports['depth'](5)).toBe(5);
    expect(app.exports['calls'].value).toBe(6);
  });
});

describe('through a redirect', () => {
  test('all value types and several results', async () => {
    const shape = '(param i32 i64 f32 f64 funcref externref) (result externref f64 f32 i64 i32 i32)';
    const swapped =
      '(local.get 5) (local.get 3) (local.get 2) (local.get 1) (local.get 0) (ref.is_null (local.get 4))';
    const app = await story(`(module
      (func $mix (export "mix") ${shape} (ref.null extern) (f64.const 0) (f32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))`);
    const mix = (): unknown => app.exports['mix'](-1, 2n ** 60n, 0.5, Math.PI, app.exports['mix'], 'text');
    expect(mix()).toEqual([null, 0, 0, 0n, 0, 0]);
    await app.patcher.apply(
      await app.patch('swap', 'mix', `(module (func (export "mix") ${shape} ${swapped}))`),
    );
    expect(mix()).toEqual(['text', Math.PI, 0.5, 2n ** 60n, -1, 0]);
  });

  test('vectors', async () => {
    const app = await story(`(module
      (func $lanes (param v128) (result v128) (local.get 0))
      (func $sum (export "sum") (param i32) (result i32)
        (i32x4.extract_lane 3 (call $lanes (i32x4.splat (local.get 0))))))`);
    expect(app.exports['sum'](7)).toBe(7);
    const text =
      '(module (func (export "lanes") (param v128) (result v128) (i32x4.add (local.get 0) (local.get 0))))';
    await app.patcher.apply(await app.patch('twice', 'lanes', text));
    expect(app.exports['sum'](7)).toBe(14);
  });

  test('64 parameters', async () => {
    const params = Array.from({ length: 64 }, (_, i) => ['i32', 'i64', 'f32', 'f64'][i % 4]);
    const give = params.map((type, i) => `(${type}.const ${i + 1})`).join(' ');
    const app = await story(`(module
      (func $wide (param ${params.join(' ')}) (result f64) (f64.const 0))
      (func $call (export "call") (result f64) (call $wide ${give})))`);
    const convert = { i32: 'f64.convert_i32_s', i64: 'f64.convert_i64_s', f32: 'f64.promote_f32', f64: '' };
    const sum = params.reduce((acc, type, i) => {
      const value = `(local.get ${i})`;
      const wide = type === 'f64' ? value : `(${convert[type as keyof typeof convert]} ${value})`;
      return `(f64.add ${acc} ${wide})`;
    }, '(f64.const 0)');
    expect(app.exports['call']()).toBe(0);
    const text = `(module (func (export "wide") (param ${params.join(' ')}) (result f64) ${sum}))`;
    await app.patcher.apply(await app.patch('sum', 'wide', text));
    expect(app.exports['call']()).toBe((64 * 65) / 2);
  });

  // - the new function traps, and the host's exception passes through it
  // - neither leaves the instance marked as active: the patch can be reverted at once
  test('traps and host exceptions leave nothing behind', async () => {
    const boom = new Error('from the host');
    const host = {
      env: {
        fail: () => {
          throw boom;
        },
      },
    };
    const app = await story(
      `(module
        (import "env" "fail" (func $fail))
        (func $work (export "work") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $outer (export "outer") (param i32) (result i32) (call $work (local.get 0))))`,
      host,
    );
    const text = `(module
      (import "target" "#0" (func $fail))
      (func (export "work") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (unreachable)))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (call $fail)))
        (i32.const 42)))`;
    await app.patcher.apply(await app.patch('faulty', 'work', text));
    expect(() => app.exports['outer'](0)).toThrow(WebAssembly.RuntimeError);
    expect(() => app.exports['outer'](1)).toThrow(boom);
    expect(app.exports['outer'](2)).toBe(42);
    await app.patcher.revert();
    expect(app.exports['outer'](0)).toBe(1);
  });
});

describe('a program at its limits', () => {
  test('a table at its maximum takes new function addresses', async () => {
    const app = await story(`(module
      (type $t (func (result i32)))
      (table $t 1 1 funcref) (elem (i32.const 0) $one)
      (func $one (result i32) (i32.const 1))
      (func $pick (export "pick") (result i32) (i32.const 0))
      (func $run (export "run") (result i32) (call_indirect (type $t) (call $pick))))`);
    expect(app.exports['run']()).toBe(1);
    const text = `(module
      (import "patch" "table_base" (global $base i32))
      (import "target" "#0" (table $table 0 funcref))
      (elem (global.get $base) $two)
      (func $two (result i32) (i32.const 2))
      (func (export "pick") (result i32) (global.get $base)))`;
    await app.patcher.apply(await app.patch('new-address', 'pick', text));
    expect(app.exports['run']()).toBe(2);
    await app.patcher.revert();
    expect(app.exports['run']()).toBe(1);
  });

  test('a memory at its maximum refuses a patch with data when it is built, or, imported, when it is staged', async () => {
    const withData = `(module
      (import "target" "#0" (memory 1))
      (import "patch" "memory_base" (global $base i32))
      (data (global.get $base) "A")
      (func (export "first") (result i32) (i32.load8_u (global.get $base))))`;
    const first = '(func $first (export "first") (result i32) (i32.load8_u (i32.const 0)))';
    const own = await story(`(module (memory 1 1) ${first})`);
    await expect(own.patch('text', 'first', withData)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_NO_ALLOCATOR',
    });

    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const app = await story(`(module (import "env" "memory" (memory 1)) ${first})`, { env: { memory } });
    app.log();
    await expect(app.patcher.apply(await app.patch('text', 'first', withData))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_STAGE_FAILED',
      message: expect.stringContaining('its memory (1 pages) cannot grow by'),
    });
    expect(app.exports['first']()).toBe(0);
    expect((await app.patcher.status()).programs[0]?.patches).toEqual([]);
    expect(app.log()).toEqual(['apply text: initializing', 'apply text: cancelled']);
  });
});
