// An export calls the host, which calls an export of the same instance: one instance has several activations, one in another,
// and a transition begins or ends in the innermost.

import { describe, expect, test } from 'vitest';
import { pausing, returning, type Story, smooth, story } from '../../support/quick-story.ts';

/** $outer and $inner each call the host in their middle, and say which versions they found of both $values. */
const kernel = `(module
  (import "env" "pause" (func $pause))
  (func $value (export "value") (result i32) (i32.const 1))
  (func $outer (export "outer") (result i32)
    (i32.mul (call $value) (i32.const 100)) (call $pause) (i32.mul (call $value) (i32.const 10)) (i32.add)
    (call $inner) (i32.add))
  (func $inner (export "inner") (result i32) (call $pause) (call $value)))`;

/** Replaces $value and $outer: whoever mixes the two gives a number with a 1 and a 2 in it. */
const both = (original = ''): string => `(module
  (import "target" "#0" (func $pause))
  (import "target" "value" (func $value (result i32)))
  (import "target" "inner" (func $inner (result i32)))
  (func (export "value") (result i32) (i32.const 2))
  (func (export "outer") (result i32)
    (i32.add (i32.const 3000) (i32.mul (call $value) (i32.const 100))) ${original}
    (i32.mul (call $value) (i32.const 10)) (i32.add) (call $inner) (i32.add)))`;

const now = (app: Story): unknown =>
  app.patcher.blockingNow().map(({ functions, stack }) => ({ functions, stack }));

describe('export -> import -> export', () => {
  // - $outer is active, its host call enters $inner, whose host call begins a patch of $value and $outer
  // - the patch waits for the outermost activation, whatever the inner ones do and however often they are entered
  // - all of them finish in the old universe, the next call is in the new one
  test('a patch waits for the outermost changed function', async () => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    const patch = await app.patch('both', ['value', 'outer'], both());
    const inner: number[] = [];
    app.log();
    pause.act = () => {
      pause.act = () => {
        pause.act = () => app.pump();
        app.patcher.beginApply(patch);
        app.pump();
        expect(now(app)).toEqual([{ functions: ['outer'], stack: ['outer', 'inner'] }]);
      };
      inner.push(app.exports['inner'](), app.exports['inner'](), app.exports['value']());
      app.pump();
      expect(now(app)).toEqual([{ functions: ['outer'], stack: ['outer'] }]);
    };
    expect([app.exports['outer'](), inner]).toEqual([111, [1, 1, 1]]);
    await expect.poll(() => app.states()).toEqual([-1]);
    pause.act = () => {};
    expect(app.exports['outer']()).toBe(3222);
    expect(app.log()).toEqual(smooth('apply', 'both', 1));
  });

  // - a patch of $value begins in $inner, which $outer called through the host: no changed function is active
  // - hybrid switches at once, in the middle of both; kGraft's rule waits until the outermost is gone
  test.each([
    ['hybrid', 122, 2],
    ['leave-kernel', 111, 1],
  ] as const)('a patch of what is not active: %s', async (model, total, nested) => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    const patch = await app.patch('value', 'value', returning('value', 2));
    const inner: number[] = [];
    pause.act = () => {
      pause.act = () => {
        pause.act = () => app.pump();
        app.patcher.beginApply(patch, { model });
        app.pump();
      };
      inner.push(app.exports['inner']());
    };
    expect([app.exports['outer'](), inner]).toEqual([total, [nested]]);
    await expect.poll(() => app.states()).toEqual([-1]);
    expect(app.exports['inner']()).toBe(2);
  });

  // - the new $outer is active, and in it, through the host, an activation that begins the revert
  // - it waits; what is entered meanwhile is still the patch's
  test('a patch that is active below does not come off', async () => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    await app.patcher.apply(await app.patch('both', ['value', 'outer'], both('(call $pause)')));
    const inner: number[] = [];
    app.log();
    pause.act = () => {
      pause.act = () => {
        pause.act = () => app.pump();
        app.patcher.beginRevert('both');
        app.pump();
        expect(now(app)).toEqual([{ functions: ['both:outer'], stack: ['both:outer', 'inner'] }]);
      };
      inner.push(app.exports['inner'](), app.exports['value']());
    };
    expect([app.exports['outer'](), inner]).toEqual([3222, [2, 2]]);
    pause.act = () => {};
    await expect.poll(() => app.states()).toEqual([-1]);
    expect(app.exports['outer']()).toBe(111);
    expect(app.log()).toEqual(smooth('revert', 'both', 2));
  });

  // - two instances call each other through the host: one -> two -> one, each in $outer
  // - both wait, each for its own frames; the one that is left first switches first
  test('two instances in one another', async () => {
    const pause = pausing();
    const app = await story(kernel, pause.imports);
    const two = await app.another();
    const patch = await app.patch('both', ['value', 'outer'], both());
    const results: number[] = [];
    app.log();
    pause.act = () => {
      pause.act = () => {
        pause.act = () => {};
        app.patcher.beginApply(patch);
        app.pump();
        expect(now(app)).toEqual([
          { functions: ['outer'], stack: ['outer'] },
          { functions: ['outer'], stack: ['outer'] },
        ]);
      };
      results.push(two.exports['outer']());
      app.pump();
      expect(app.states()).toEqual([0, 1]);
      results.push(two.exports['outer']());
    };
    results.push(app.exports['outer']());
    await expect.poll(() => app.states()).toEqual([-1, -1]);
    results.push(app.exports['outer']());
    expect(results).toEqual([111, 3222, 111, 3222]);
    expect(app.log()).toEqual(smooth('apply', 'both', 1, [2, 1]));
  });
});
