// V8 leaves functions out of its stack traces that it inlined into a try block. A program that has such blocks must not be
// switched while anything of it runs: the changed function may be active and not be seen.

import { expect, test } from 'vitest';
import { story } from '../../support/story.ts';

const kernel = (body: string): string => `(module
  (import "host" "see" (func $see (param i32)))
  (tag $t (param i32))
  (func $inner (export "inner") (param i32) (call $see (local.get 0)))
  (func $outer (param i32) (result i32) ${body})
  (func (export "loop") (param i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $outer (local.get 0))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))`;

const bodies = [
  ['try', '(block $h (result i32) (try_table (catch $t $h) (call $inner (local.get 0))) (i32.const 1))'],
  ['no try', '(call $inner (local.get 0)) (i32.const 1)'],
] as const;

// - the loop gets hot, so that $inner is inlined into $outer
// - from inside $inner a patch of $inner begins: it must wait, whatever the stack trace shows
test.each(bodies)('%s: a patch waits for the inlined function that it changes', async (_, body) => {
  const seen: string[] = [];
  let calls = 0;
  const see = (): void => {
    calls += 1;
    if (calls !== 3_000_000) return;
    const transition = app.patcher.beginApply(patch);
    app.patcher.pump(10_000);
    seen.push(transition.state);
  };
  const app = await story(kernel(body), { host: { see } });
  const patch = await app.patch('p', 'inner', '(module (func (export "inner") (param i32)))');
  while (calls < 3_000_000) {
    app.exports['loop'](100_000);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  expect(seen).toEqual(['committing']);
  await expect.poll(() => app.patcher.statusNow().programs[0]?.patches[0]?.state).toBe('applied');
});
