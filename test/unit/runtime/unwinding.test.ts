// Stacks that end without a return: traps, exceptions of the host, exceptions of the program, and a stack that is too deep.
// None of them leaves an instance that counts as active.

import { expect, test } from 'vitest';
import { pausing, returning, story } from '../../support/quick-story.ts';

const kernel = `(module
  (import "env" "pause" (func $pause))
  (tag $oops (param i32))
  (func $leaf (export "leaf") (param i32) (result i32)
    (call $pause)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (unreachable)))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $oops (i32.const 2))))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (drop (call $leaf (i32.const 3)))))
    (i32.const 0))
  (func $work (export "work") (param i32) (result i32) (call $leaf (local.get 0))))`;

const endings = [
  ['a trap', 1, WebAssembly.RuntimeError],
  ['an exception of the program', 2, WebAssembly.Exception],
  ['a stack that is too deep', 3, RangeError],
  ['an exception of the host', 0, URIError],
] as const;

// - a patch of $work begins while $work is active, and waits
// - the stack ends without a return: the patch goes on, and so does its revert, which begins in the same way
test.each(endings)('%s', async (_, how, kind) => {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const patch = await app.patch(
    'fix',
    'work',
    `(module
      (import "target" "leaf" (func $leaf (param i32) (result i32)))
      (func (export "work") (param i32) (result i32) (i32.add (i32.const 10) (call $leaf (local.get 0)))))`,
  );
  const end = (begin: () => void, active: string): void => {
    pause.act = () => {
      pause.act = () => {};
      begin();
      app.pump();
      expect(app.patcher.blockingNow()).toMatchObject([{ functions: [active] }]);
      if (how === 0) throw new URIError('from the host');
    };
    expect(() => app.exports['work'](how)).toThrow(kind);
  };
  end(() => app.patcher.beginApply(patch), 'work');
  await expect.poll(() => app.states()).toEqual([-1]);
  expect(app.exports['work'](0)).toBe(10);
  end(() => app.patcher.beginRevert('fix'), 'fix:work');
  await expect.poll(() => app.states()).toEqual([-1]);
  expect([app.exports['work'](0), app.patches()]).toEqual([0, []]);
});

// - the host catches what ends an inner activation; the outer one is still there, and is waited for
test('an inner activation that fails leaves the outer one active', async () => {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const patch = await app.patch(
    'fix',
    'work',
    '(module (func (export "work") (param i32) (result i32) (i32.const 5)))',
  );
  pause.act = () => {
    pause.act = () => {};
    app.patcher.beginApply(patch);
    expect(() => app.exports['work'](1)).toThrow(WebAssembly.RuntimeError);
    app.pump();
    expect(app.patcher.blockingNow()).toMatchObject([{ functions: ['work'], stack: ['work', 'leaf'] }]);
  };
  expect(app.exports['work'](0)).toBe(0);
  await expect.poll(() => app.states()).toEqual([-1]);
  expect(app.exports['work'](0)).toBe(5);
});

// - a suspended activation (JSPI) is ended by an exception of the host, thrown into it
test.runIf('promising' in WebAssembly)('a suspended activation whose promise is rejected', async () => {
  const jspi = WebAssembly as unknown as {
    promising: (f: unknown) => (n: number) => Promise<number>;
    Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
  };
  let fail = (_: Error): void => {};
  const promise = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const app = await story(kernel, { env: { pause: new jspi.Suspending(() => promise) } });
  const working = jspi.promising(app.exports['work'])(0);
  const applied = app.patcher.apply(
    await app.patch('fix', 'work', '(module (func (export "work") (param i32) (result i32) (i32.const 5)))'),
  );
  await expect
    .poll(() => app.patcher.blockingNow())
    .toMatchObject([{ state: 'suspended', functions: ['work'] }]);
  fail(new URIError('from the host'));
  await expect(working).rejects.toThrow(URIError);
  expect((await applied).complete).toBe(true);
  expect(await jspi.promising(app.exports['work'])(0)).toBe(5);
});

test('a patch that traps when it is called comes off like any other', async () => {
  const app = await story('(module (func $answer (export "answer") (result i32) (i32.const 1)))');
  await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
  const bad = '(module (func (export "answer") (result i32) (unreachable)))';
  await app.patcher.apply(await app.patch('bad', 'answer', bad));
  expect(() => app.exports['answer']()).toThrow(WebAssembly.RuntimeError);
  await app.patcher.revert('bad');
  expect(app.exports['answer']()).toBe(2);
});
