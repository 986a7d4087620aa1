// SUSE's QA for kGraft (cases 33-37): patching under stress. Each transition must end, within a bound, and says who is in the
// way if it does not.

import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { collected } from '../support/collected.ts';
import { pausing, returning, type Story, smooth, story } from '../support/quick-story.ts';

const kernel = `(module
  (import "env" "pause" (func $pause))
  (import "env" "memory" (memory 1))
  (import "env" "lend" (func $lend (param funcref)))
  (global $sum (mut i32) (i32.const 0))
  (func $patched (export "patched") (result i32) (i32.const 1))
  (func $pressure (export "pressure") (param $calls i32) (result i32)
    (global.set $sum (i32.const 0))
    (loop $again
      (global.set $sum (i32.add (global.get $sum) (call $patched)))
      (if (i32.eqz (i32.rem_u (local.get $calls) (i32.const 1000))) (then (call $pause)))
      (br_if $again (local.tee $calls (i32.sub (local.get $calls) (i32.const 1)))))
    (global.get $sum))
  (func $load (export "load") (param $rounds i32) (result i32)
    (loop $again
      (call $pause)
      (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (i32.const 0)))`;

function host(
  act = (): void => {},
  { maximum = 16, lend = (_: object): void => {} } = {},
): WebAssembly.Imports {
  return { env: { pause: () => act(), memory: new WebAssembly.Memory({ initial: 1, maximum }), lend } };
}

const listed = (app: Story): string[] => app.patches().map((p) => p.name);

/** Ends with the transition, or shows who keeps it from ending. */
async function ended(app: Story): Promise<void> {
  await expect
    .poll(() => [app.patcher.statusNow().programs[0]?.transition?.phase, app.patcher.blockingNow()])
    .toEqual([undefined, []]);
}

// - the function is called in a tight loop, a million times; the patch comes and goes while the loop runs
// - the sum says that every call was either the one or the other
test('33: patch under pressure', async () => {
  let pauses = 0;
  const steps: string[] = [];
  const app = await story(
    kernel,
    host(() => {
      pauses += 1;
      if (pauses === 100) app.patcher.beginApply(patch);
      if (pauses === 600) app.patcher.beginRevert('fix');
      app.pump();
      if (pauses === 100 || pauses === 600) steps.push(...app.log());
    }),
  );
  const patch = await app.patch('fix', 'patched', returning('patched', 1000));
  app.log();
  // between the 100th pause and the 600th there are 500 000 calls
  expect(app.exports['pressure'](1_000_000)).toBe(500_000 + 500_000 * 1000);
  expect(steps).toEqual([...smooth('apply', 'fix', 1), ...smooth('revert', 'fix', 2)]);
});

// - fifteen patches of one function, each as soon as the one before is done, with a load that waits inside all the time
// - each ends; then they come off
test('34: patching in quick succession', async () => {
  const app = await story(kernel, host());
  const numbers = Array.from({ length: 15 }, (_, i) => i + 2);
  const patches = await Promise.all(
    numbers.map((n) => app.patch(`p${n}`, 'patched', returning('patched', n))),
  );
  app.log();
  for (const [i, patch] of patches.entries()) {
    expect((await app.patcher.apply(patch)).complete).toBe(true);
    expect(app.exports['patched']()).toBe(i + 2);
  }
  expect(listed(app)).toHaveLength(15);
  while (app.patches().length > 0) await app.patcher.revert();
  expect(app.exports['patched']()).toBe(1);
  expect(app.log()).toEqual([
    ...numbers.flatMap((n, i) => smooth('apply', `p${n}`, i + 1)),
    ...numbers.toReversed().flatMap((n, i) => smooth('revert', `p${n}`, 16 + i)),
  ]);
});

// - the event loop is full of work of the program that does not call the function, in 16 instances, and of the host's own
// - one of them is never out of its loop, but for host calls that know nothing of patching
test('35: patch while CPUs are busy', async () => {
  const app = await story(kernel, host());
  const others = await Promise.all(Array.from({ length: 15 }, () => app.another()));
  const patch = await app.patch('fix', 'patched', returning('patched', 2));
  let going = true;
  const work = async (): Promise<void> => {
    while (going) {
      for (const { exports } of [app, ...others]) exports['load'](500);
      await turn();
    }
  };
  const working = work();
  app.patcher.beginApply(patch);
  await ended(app);
  app.patcher.beginRevert('fix');
  await ended(app);
  going = false;
  await working;
  expect(app.log().filter((line) => line.includes('universe'))).toHaveLength(32);
});

// - the program's memory is at its maximum: a patch that needs none of it is applied; one that needs some is refused, and
//   nothing of it is left; what was on stays on
test('36: patch under low memory', async () => {
  const app = await story(kernel, host(undefined, { maximum: 1 }));
  await app.patcher.apply(await app.patch('small', 'patched', returning('patched', 2)));
  const large = `(module
    (import "target" "memory" (memory 0))
    (import "patch" "memory_base" (global $base i32))
    (data (global.get $base) "text")
    (func (export "patched") (result i32) (i32.load8_u (global.get $base))))`;
  await expect(app.patcher.apply(await app.patch('large', 'patched', large))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_STAGE_FAILED',
    message: expect.stringContaining('its memory (1 pages) cannot grow by the 19 bytes that the patch needs'),
  });
  expect([app.exports['patched'](), listed(app)]).toEqual([2, ['small']]);
});

// - four patches, then a final one that replaces all, while the function is called
// - the four can be unloaded and are; the final one cannot, as long as it is on, or runs
test('37: patch with replace-all', async () => {
  const pause = pausing();
  const lent: WeakRef<object>[] = [];
  const lend = (f: object): void => void lent.push(new WeakRef(f));
  const app = await story(
    kernel,
    host(() => pause.act(), { lend }),
  );
  /** Lends a function of its own to the host, so that a test sees whether the patch still lives. */
  const lending = (value: number): string => `(module
    (import "target" "pause" (func $pause))
    (import "target" "lend" (func $lend (param funcref)))
    (elem declare func $own)
    (func $own)
    (func (export "patched") (result i32) (call $lend (ref.func $own)) (call $pause) (i32.const ${value})))`;
  for (const n of [2, 3, 4, 5]) {
    await app.patcher.apply(await app.patch(`p${n}`, 'patched', lending(n)));
    expect(app.exports['patched']()).toBe(n);
  }
  const final = await app.patch('final', 'patched', lending(6), { cumulative: true });
  app.log();
  pause.act = () => {
    pause.act = () => {};
    app.patcher.beginApply(final);
    app.pump();
    expect(app.patcher.blockingNow()).toMatchObject([{ functions: ['p5:patched'] }]);
    expect(listed(app)).toEqual(['p2', 'p3', 'p4', 'p5', 'final']);
  };
  expect(app.exports['patched']()).toBe(5);
  await ended(app);
  expect([app.exports['patched'](), listed(app)]).toEqual([6, ['final']]);
  expect(app.log()).toEqual(smooth('apply', 'final', 5));
  // five were lent: the one before last by the call that the transition waited for
  expect(await collected(lent)).toEqual([true, true, true, true, true, false]);
  for (const n of [2, 3, 4, 5]) {
    await expect(app.patcher.revert(`p${n}`)).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_UNKNOWN' });
  }
});
