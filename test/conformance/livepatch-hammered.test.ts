// livepatch's test-syscall.sh (case 32): a function is patched while it is called all the time.

import { expect, test } from 'vitest';
import { returning, story } from '../support/quick-story.ts';

const kernel = `(module
  (import "env" "tick" (func $tick))
  (func $getpid (export "getpid") (result i32) (i32.const 1))
  (func $hammer (export "hammer") (param $calls i32) (result i32) (local $last i32)
    (loop $again
      (local.set $last (call $getpid))
      (call $tick)
      (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
      (br_if $again (i32.and (i32.gt_s (local.get $calls) (i32.const 0)) (i32.eq (local.get $last) (i32.const 1)))))
    (local.get $last)))`;

// - 128 instances call the function in every turn of the event loop
// - the patch comes: all of them reach it, each goes from old to new once, and none has seen anything else
test('32: patch getpid syscall while being heavily hammered', async () => {
  const app = await story(kernel, { env: { tick: () => {} } });
  const patch = await app.patch('fix', 'getpid', returning('getpid', 2));
  const all = [app, ...(await Promise.all(Array.from({ length: 127 }, () => app.another())))];
  const seen = all.map((): number[] => []);
  let calls = 0;
  let going = true;
  const hammer = (i: number): void => {
    for (let n = 0; n < 20; n += 1) {
      const pid = all[i]?.exports['getpid']();
      if (seen[i]?.at(-1) !== pid) seen[i]?.push(pid);
      calls += 1;
    }
    if (going) setImmediate(hammer, i);
  };
  all.forEach((_, i) => void hammer(i));
  const { instances } = await app.patcher.apply(patch);
  const atEnd = calls;
  await expect.poll(() => calls).toBeGreaterThan(atEnd + 20 * 128);
  going = false;
  expect(instances).toEqual({ done: 128, total: 128 });
  expect(new Set(seen.map(String))).toEqual(new Set(['1,2']));
});

// - instances that are in a loop which only the new function ends, and come by the host in each turn of it
// - the patch comes at a call of one of them: each finds the new function in its own loop, and ends
test('32: in a loop that does not end without the patch', async () => {
  let ticks = 0;
  const tick = (): void => {
    ticks += 1;
    if (ticks === 1000) app.patcher.beginApply(patch);
    app.pump();
  };
  const app = await story(kernel, { env: { tick } });
  const patch = await app.patch('fix', 'getpid', returning('getpid', 2));
  expect(app.exports['hammer'](1_000_000)).toBe(2);
  expect([ticks, app.states()]).toEqual([1001, [-1]]);
});
