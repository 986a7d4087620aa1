// Kitsune (C. Hayden, E. Smith, M. Denchev, M. Hicks, J. Foster, "Kitsune: efficient, general-purpose dynamic software updating
// for C", OOPSLA 2012).
//
// What it could do: update a whole C program where the program itself says so, at named update points in its long-running loops:
// the new version's `main` is entered, and steered to the point of the same name. Data is carried over by transformers, which
// xfgen made from type differences: a struct may grow. No stack is looked at; `main` may change although it never returns.
//
// Here: the model `safe-point`, `env.wgraft_safe_point`, a transformer in post_patch, and a loop that re-enters `main` behind its
// update point. What Kitsune does besides, to write transformers and to make all of a program's data move, is the author's here.

import { expect, test } from 'vitest';
import { smooth, story } from '../support/story.ts';

// Connections at 1024: { hits }. main answers the sum of all that `hit` answered.
const program = `(module
  (import "env" "receive" (func $receive (result i32)))
  (import "env" "wgraft_safe_point" (func $update (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "loop\\00")
  (func $hit (export "hit") (param $id i32) (result i32) (local $at i32)
    (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $id) (i32.const 4))))
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
    (i32.load (local.get $at)))
  (func $main (export "main") (param $sum i32) (result i32) (local $id i32)
    (local.set $id (call $receive))
    (if (i32.eqz (local.get $id)) (then (return (local.get $sum))))
    (local.set $sum (i32.add (local.get $sum) (call $hit (local.get $id))))
    (call $update (i32.const 8))
    (return_call $main (local.get $sum))))`;

// The new version: connections at 4096, { hits, weight }; main adds hits * weight. A connection of the old version weighs 1000.
const version2 = `(module
  (import "target" "memory" (memory 1))
  (import "target" "receive" (func $receive (result i32)))
  (import "target" "update" (func $update (param i32)))
  (import "target" "hit" (func $hit (param i32) (result i32)))
  (import "target" "main" (func $main (param i32) (result i32)))
  (func $new (param $id i32) (result i32) (i32.add (i32.const 4096) (i32.mul (local.get $id) (i32.const 8))))
  (func (export "hit") (param $id i32) (result i32) (local $at i32)
    (local.set $at (call $new (local.get $id)))
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
    (i32.mul (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
  (func (export "main") (param $sum i32) (result i32) (local $id i32)
    (local.set $id (call $receive))
    (if (i32.eqz (local.get $id)) (then (return (i32.sub (i32.const 0) (local.get $sum)))))
    (local.set $sum (i32.add (local.get $sum) (call $hit (local.get $id))))
    (call $update (i32.const 8))
    (return_call $main (local.get $sum)))
  (func (export "__wgraft_post_patch") (local $id i32)
    (loop $next
      (i32.store (call $new (local.get $id))
        (i32.load (i32.add (i32.const 1024) (i32.mul (local.get $id) (i32.const 4)))))
      (i32.store offset=4 (call $new (local.get $id)) (i32.const 1000))
      (br_if $next (i32.lt_u (local.tee $id (i32.add (local.get $id) (i32.const 1))) (i32.const 8))))))`;

// - main serves requests of connections 1, 1, 2 and is told of the update while it serves the third
// - by a look at its stack it could never be updated: main is active, always
// - at its update point everything moves at once, main, hit and the data; the fourth request finds its two hits, weighed
test('a program is updated at its named point: main, which never returns, and data that grew', async () => {
  const requests = [1, 1, 2, 1, 0];
  const seen: unknown[] = [];
  const host = { receive: (): number => requests.shift() ?? 0 };
  const app = await story(program, { env: { receive: () => host.receive() } });
  const patch = await app.patch('version2', ['hit', 'main'], version2, { model: 'safe-point' });
  app.log();
  host.receive = () => {
    if (requests.length === 3) {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      seen.push(
        app.patcher.blockingNow().map((b) => [b.state, b.stack]),
        app.patches().map((p) => p.state),
      );
    }
    return requests.shift() ?? 0;
  };
  expect(app.exports['main'](0)).toBe(-(1 + 2 + 1 + 3 * 1000)); // negative: it was the new main that ended
  expect(seen).toEqual([[['no-safe-point', ['main']]], ['applying']]);
  const [initializing, starting, , ...rest] = smooth('apply', 'version2', 1);
  const migrated = 'instance 1 -> universe 1 at loop';
  expect(app.log()).toEqual([
    initializing,
    starting,
    migrated,
    rest[0],
    'instance 1 version2: postPatch done',
    rest[1],
  ]);
});
