// libpulp's tests of what a call sees (cases 117-126): universes that do not mix, also those that libpulp itself cannot keep
// apart any more (122 and 123, its two expected failures).

import { describe, expect, test } from 'vitest';
import { pausing, returning, smooth, story } from '../support/quick-story.ts';

describe('117: numserv, 118: numserv_bsymbolic', () => {
  /** `serve` calls $number directly, which is what -Bsymbolic makes of a call within a library. */
  const library = (number: number): string => `(module
    (func $number (export "number") (result i32) (i32.const ${number}))
    (func $serve (export "serve") (result i32) (call $number)))`;

  // - two libraries in one process are patched and reverted independently of one another
  // - calls from outside and calls within the library see the patch
  test('two libraries', async () => {
    const digits = await story(library(1), {}, { slots: 'all', app: 'digits' });
    const hundreds = await story(
      library(100),
      {},
      { slots: 'all', app: 'hundreds', patcher: digits.patcher },
    );
    const { patcher } = digits;
    const seen = (): number[] =>
      [digits, hundreds].flatMap(({ exports }) => [exports['number'](), exports['serve']()]);
    await patcher.apply(await digits.patch('d', 'number', returning('number', 2)));
    expect(seen()).toEqual([2, 2, 100, 100]);
    await patcher.apply(await hundreds.patch('h', 'number', returning('number', 200)));
    expect(seen()).toEqual([2, 2, 200, 200]);
    await patcher.revert('d');
    expect(seen()).toEqual([1, 1, 200, 200]);
    await patcher.revert('h');
    expect(seen()).toEqual([1, 1, 100, 100]);
    expect(digits.log()).toEqual([
      'instance 1 born',
      ...smooth('apply', 'd', 1),
      ...smooth('revert', 'd', 2),
    ]);
    expect(hundreds.log()).toEqual([
      'instance 2 born',
      ...smooth('apply', 'h', 1, [2]),
      ...smooth('revert', 'h', 2, [2]),
    ]);
  });
});

// - a recursive function is replaced by one that does not call itself but a function that the program shows nobody
test('120: recursion', async () => {
  const app = await story(`(module
    (func $next (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
    (func $sum (export "sum") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (local.get 0) (call $sum (call $next (local.get 0)))))
        (else (i32.const 0)))))`);
  expect(app.exports['sum'](40)).toBe(820);
  const patch = await app.patch(
    'closed-form',
    'sum',
    `(module
      (import "target" "next" (func $hidden (param i32) (result i32)))
      (func (export "sum") (param i32) (result i32)
        (i32.div_s (i32.mul (local.get 0) (i32.sub (local.get 0) (call $hidden (i32.const 0)))) (i32.const -2))))`,
  );
  await app.patcher.apply(patch);
  expect(app.exports['sum'](40)).toBe((40 * 41) / -2);
});

describe('122: blocked', () => {
  /** A thread that goes in waits inside, and looks at what the library says before and after. */
  const library = `(module
    (import "env" "pause" (func $pause))
    (func $hello (export "hello") (result i32) (i32.const 1))
    (func $enter (export "enter") (result i32)
      (i32.mul (call $hello) (i32.const 10)) (call $pause) (call $hello) (i32.add)))`;

  // - one thread is blocked inside the library, another is outside; $hello is patched, which is on nobody's stack
  // - the one outside sees the new $hello at once, also when it goes in
  // - the one inside sees the old one until it has left: kGraft's rule
  test('a thread inside keeps seeing the old code, one outside sees the new', async () => {
    const pause = pausing();
    const app = await story(library, pause.imports);
    const outside = await app.another({ env: { pause: () => {} } });
    const patch = await app.patch('fix', 'hello', returning('hello', 2));
    const seen: number[] = [];
    app.log();
    pause.act = () => {
      pause.act = () => {};
      app.patcher.beginApply(patch, { model: 'leave-kernel' });
      app.pump();
      expect(app.states()).toEqual([0, 1]);
      expect(app.patcher.blockingNow()).toMatchObject([
        { instance: 1, functions: ['enter'], stack: ['enter'] },
      ]);
      seen.push(outside.exports['hello'](), outside.exports['enter'](), app.exports['hello']());
    };
    expect([app.exports['enter'](), seen]).toEqual([11, [2, 22, 1]]);
    await expect.poll(() => app.states()).toEqual([-1, -1]);
    expect(app.exports['enter']()).toBe(22);
    expect(app.log()).toEqual(smooth('apply', 'fix', 1, [2, 1]));
  });

  // - the same with threads that wait for promises: both are the same instance's, and only one of them is inside
  test.runIf('promising' in WebAssembly)(
    'two threads of one instance: all of it waits for the one inside',
    async () => {
      const jspi = WebAssembly as unknown as {
        promising: (f: unknown) => () => Promise<number>;
        Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
      };
      let goOn = (): void => {};
      const pause = new jspi.Suspending(() => new Promise((resolve) => (goOn = resolve)));
      const app = await story(library, { env: { pause } });
      const inside = jspi.promising(app.exports['enter'])();
      const applied = app.patcher.apply(await app.patch('fix', 'hello', returning('hello', 2)), {
        model: 'leave-kernel',
      });
      await expect
        .poll(() => app.patcher.blockingNow())
        .toMatchObject([{ state: 'suspended', functions: ['enter'] }]);
      expect(app.exports['hello']()).toBe(1);
      goOn();
      expect(await inside).toBe(11);
      expect((await applied).complete).toBe(true);
      expect(app.exports['hello']()).toBe(2);
    },
  );
});

describe('123: contract', () => {
  /** A record of two numbers at address 0. Old code has `a` first; `$print` says them as a * 10 + b. */
  const library = `(module
    (import "env" "pause" (func $pause))
    (memory 1)
    (func $print (result i32)
      (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 10)) (i32.load (i32.const 4))))
    (func $fna (export "fna") (result i32)
      (i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 2))
      (call $pause)
      (call $print))
    (func $fnb (export "fnb") (result i32)
      (i32.store (i32.const 0) (i32.const 3)) (i32.store (i32.const 4) (i32.const 4))
      (call $print)))`;

  /** New code has `b` first: an old record, printed by the new $print, comes out reversed. */
  const reordered = `(module
    (import "target" "#0" (func $pause))
    (import "target" "memory" (memory 0))
    (import "target" "print" (func $print (result i32)))
    (func (export "print") (result i32)
      (i32.add (i32.mul (i32.load (i32.const 4)) (i32.const 10)) (i32.load (i32.const 0))))
    (func (export "fna") (result i32)
      (i32.store (i32.const 4) (i32.const 5)) (i32.store (i32.const 0) (i32.const 6))
      (call $pause)
      (call $print))
    (func (export "fnb") (result i32)
      (i32.store (i32.const 4) (i32.const 7)) (i32.store (i32.const 0) (i32.const 8))
      (call $print)))`;

  // - the process sits in $fna, which has filled a record that $print will read; the patch lays records out anew
  // - the call in flight ends with the old $print; so does what it enters meanwhile
  // - the next calls are all new; taken off from within the new $fna, it is the same the other way round
  test.each(['hybrid', 'leave-set', 'leave-kernel', 'stop-machine'] as const)('%s', async (model) => {
    const pause = pausing();
    const app = await story(library, pause.imports);
    const patch = await app.patch('layout', ['print', 'fna', 'fnb'], reordered);
    app.log();
    pause.act = () => {
      pause.act = () => {};
      app.patcher.beginApply(patch, { model, retryMs: 0 });
      app.pump();
      expect(app.patcher.blockingNow()).toMatchObject([{ functions: ['fna'], stack: ['fna'] }]);
    };
    expect(app.exports['fna']()).toBe(12);
    await expect.poll(() => app.states()).toEqual([-1]);
    pause.act = () => {
      pause.act = () => {};
      app.patcher.beginRevert('layout', { model, retryMs: 0 });
      app.pump();
    };
    expect([app.exports['fnb'](), app.exports['fna']()]).toEqual([78, 56]);
    await expect.poll(() => app.states()).toEqual([-1]);
    expect([app.exports['fna'](), app.exports['fnb']()]).toEqual([12, 34]);
    expect(app.log()).toEqual([...smooth('apply', 'layout', 1), ...smooth('revert', 'layout', 2)]);
  });

  // - Erlang's and PoDUS' way, which checks nothing: the call in flight prints the old record with the new code
  test('immediate breaks it, which is why it is not the default', async () => {
    const pause = pausing();
    const app = await story(library, pause.imports);
    const patch = await app.patch('layout', ['print', 'fna', 'fnb'], reordered);
    pause.act = () => {
      pause.act = () => {};
      app.patcher.beginApply(patch, { model: 'immediate' });
      app.pump();
    };
    expect(app.exports['fna']()).toBe(21);
  });
});

// - `malloc` is interrupted in its middle, 200 times; each time a patch begins that needs memory of this very malloc
// - it is never entered a second time: the patch waits until it is left, and then takes its memory
test('124: deadlock', async () => {
  const pause = pausing();
  const heap = `(module
    (import "env" "pause" (func $pause))
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (global $locked (mut i32) (i32.const 0))
    (func $malloc (export "malloc") (param i32) (result i32)
      (if (global.get $locked) (then (unreachable)))
      (global.set $locked (i32.const 1))
      (call $pause)
      (global.set $top (i32.add (global.get $top) (local.get 0)))
      (global.set $locked (i32.const 0))
      (i32.sub (global.get $top) (local.get 0)))
    (func $text (export "text") (result i32) (i32.const 0)))`;
  const app = await story(heap, pause.imports);
  const patch = await app.patch(
    'text',
    'text',
    `(module
      (import "target" "memory" (memory 0))
      (import "patch" "memory_base" (global $base i32))
      (data (global.get $base) "hello")
      (func (export "text") (result i32) (global.get $base)))`,
    { allocator: 'malloc=malloc' },
  );
  app.patcher.release(app.instance);
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const busy = await app.another();
    const begin = (): void => {
      pause.act = () => {};
      app.patcher.beginApply(patch);
      app.pump();
      expect(app.patcher.blockingNow()).toMatchObject([{ functions: ['malloc'] }]);
    };
    pause.act = begin;
    const mine = busy.exports['malloc'](16);
    app.pump();
    const text = busy.exports['text']();
    expect([mine, text >= mine + 16, app.states()]).toEqual([1024, true, [-1]]);
    app.patcher.beginRevert('text');
    app.pump();
    app.patcher.release(busy.instance);
  }
  expect(app.patches()).toEqual([]);
});

// - the patched function is entered 1000 times from within itself, as a signal handler would, while the patch comes and goes
test('125: asunsafe_conversion', async () => {
  const pause = pausing();
  const app = await story(
    `(module
      (import "env" "pause" (func $pause))
      (func $work (export "work") (param i32) (result i32) (call $pause) (local.get 0)))`,
    pause.imports,
  );
  const negative = `(module
    (import "target" "#0" (func $pause))
    (func (export "work") (param i32) (result i32) (call $pause) (i32.sub (i32.const 0) (local.get 0))))`;
  const patch = await app.patch('negative', 'work', negative);
  const seen = new Map<string, number>();
  for (let i = 1; i <= 1000; i += 1) {
    const isOn = app.patches().length > 0;
    let nested = 0;
    pause.act = () => {
      pause.act = () => app.pump();
      if (isOn) app.patcher.beginRevert('negative');
      else app.patcher.beginApply(patch);
      nested = app.exports['work'](i);
    };
    const outer = app.exports['work'](i);
    const pair = `${isOn ? 'on' : 'off'}: ${Math.sign(outer)} ${Math.sign(nested)}`;
    seen.set(pair, (seen.get(pair) ?? 0) + 1);
    app.pump();
  }
  expect(Object.fromEntries(seen)).toEqual({ 'off: 1 1': 500, 'on: -1 -1': 500 });
});

// - a leaf function keeps what it needs below the stack pointer while it calls a function that is patched
// - applying, calling and reverting a patch without data changes no byte of the program's memory, and not its stack pointer
test('126: redzone', async () => {
  const app = await story(`(module
    (memory (export "memory") 1)
    (global $__stack_pointer (export "sp") (mut i32) (i32.const 32768))
    (func $callee (export "callee") (param i32) (result i32) (local.get 0))
    (func $leaf (export "leaf") (result i32)
      (i32.store (i32.sub (global.get $__stack_pointer) (i32.const 128)) (i32.const 41))
      (call $callee (i32.load (i32.sub (global.get $__stack_pointer) (i32.const 128))))
      (i32.sub (i32.load (i32.sub (global.get $__stack_pointer) (i32.const 128)))) (i32.const 40) (i32.add)))`);
  const bytes = new Uint8Array(app.exports['memory'].buffer);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 31) & 255;
  expect(app.exports['leaf']()).toBe(40);
  const before = bytes.slice();
  const patch = await app.patch(
    'one-more',
    'callee',
    `(module
    (func (export "callee") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`,
  );
  await app.patcher.apply(patch);
  expect(app.exports['leaf']()).toBe(41);
  await app.patcher.revert();
  expect(app.exports['leaf']()).toBe(40);
  expect([
    Buffer.compare(bytes, before),
    app.exports['memory'].buffer.byteLength,
    app.exports['sp'].value,
  ]).toEqual([0, 65536, 32768]);
});
