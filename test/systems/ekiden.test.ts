// Ekiden (C. Hayden, E. Smith, M. Hicks, J. Foster, "State transfer for clear and efficient runtime updates", HotSWUp 2011).
//
// What it could do: start the new version as a process of its own, and hand it the state of the old one at an update point of the
// long-running loop; the new process converts it and goes on at that point, and the old one ends. No running code is changed,
// and until the new process has taken over, the old one can go on. The program must be written for it, with Ekiden's library.
//
// Here: two instances, each with a memory of its own, and the update point is `env.wgraft_safe_point`. wgraft updates in place;
// what it adds to state transfer is the old side: a program that knows its update point, but nothing of a handover, gets that
// by a patch around its loop, at that very point. To start the new instance and to carry the bytes over is the host's part,
// to write the state out and in is the author's.

import { expect, test } from 'vitest';
import { type Story, story } from '../support/story.ts';

// Hits of connections 0 to 7, at 1024. main counts hits, and answers how many requests there were.
const program = `(module
  (import "env" "receive" (func $receive (result i32)))
  (import "env" "wgraft_safe_point" (func $update (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "loop\\00")
  (func $hit (param $id i32) (local $at i32)
    (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $id) (i32.const 4))))
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1))))
  (func $main (export "main") (param $requests i32) (result i32) (local $id i32)
    (local.set $id (call $receive))
    (if (i32.eqz (local.get $id)) (then (return (local.get $requests))))
    (call $hit (local.get $id))
    (call $update (i32.const 8))
    (return_call $main (i32.add (local.get $requests) (i32.const 1)))))`;

// What becomes of the old main at its update point: 36 bytes are handed over, and it ends with -1. Or it goes on as it was.
const handover = `(module
  (import "target" "memory" (memory 1))
  (import "env" "hand_over" (func $hand_over (param $at i32) (param $size i32) (result i32)))
  (import "original" "main" (func $main (param i32) (result i32)))
  (func (export "main") (param $requests i32) (result i32)
    (i32.store (i32.const 1056) (local.get $requests))
    (if (call $hand_over (i32.const 1024) (i32.const 36)) (then (return (i32.const -1))))
    (return_call $main (local.get $requests))))`;

// The new version: other addresses, hits in 64 bits, main answers 1000 * the hits of connection 1 + requests. Room is for 99 hits.
const version2 = `(module
  (import "env" "receive" (func $receive (result i32)))
  (import "env" "wgraft_safe_point" (func $update (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "loop\\00")
  (global $requests (mut i32) (i32.const 0))
  (func $hits (param $id i32) (result i32) (i32.add (i32.const 4096) (i32.mul (local.get $id) (i32.const 8))))
  (func $hit (param $id i32)
    (i64.store (call $hits (local.get $id)) (i64.add (i64.load (call $hits (local.get $id))) (i64.const 1))))
  ;; Takes the state of version 1, which the host has put at $from.
  (func (export "take_over") (param $from i32) (local $id i32)
    (loop $next
      (if (i32.gt_u (i32.load (local.get $from)) (i32.const 99)) (then (unreachable)))
      (i64.store (call $hits (local.get $id)) (i64.load32_u (local.get $from)))
      (local.set $from (i32.add (local.get $from) (i32.const 4)))
      (br_if $next (i32.lt_u (local.tee $id (i32.add (local.get $id) (i32.const 1))) (i32.const 8))))
    (global.set $requests (i32.load (local.get $from))))
  (func $main (export "main") (result i32) (local $id i32)
    (local.set $id (call $receive))
    (if (i32.eqz (local.get $id)) (then
      (return (i32.add (i32.mul (i32.wrap_i64 (i64.load (call $hits (i32.const 1)))) (i32.const 1000)) (global.get $requests)))))
    (call $hit (local.get $id))
    (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
    (call $update (i32.const 16))
    (return_call $main)))`;

interface Server {
  readonly old: Story;
  readonly handover: Uint8Array;
  /** The new version, which waits for its state. */
  readonly next: Story;
  readonly patcher: Story['patcher'];
  /** Serves until no request is left, as whichever version has the state; what its main answers. */
  serve(): number;
}

/** Requests are of connection 1, unless `atRequest` has another one, or something else to do first. */
async function server(requests: number, atRequest: (server: Server, left: number) => void): Promise<Server> {
  const receive = (): number => {
    if (requests > 0) atRequest(started, requests);
    requests -= 1;
    return requests < 0 ? 0 : 1;
  };
  let handedOver = false;
  const hand_over = (at: number, size: number): number => {
    const state = new Uint8Array(old.memory().buffer, at, size);
    new Uint8Array(next.memory().buffer, 0x8000).set(state);
    try {
      next.exports['take_over'](0x8000);
      handedOver = true;
    } catch {
      old.patcher.beginRevert('handover', { model: 'safe-point' });
    }
    return Number(handedOver);
  };
  const old = await story(program, { env: { receive, hand_over } });
  const options = { model: 'safe-point', allowImports: ['env.hand_over'] } as const;
  const patch = await old.patch('handover', 'main', handover, options);
  const { patcher } = old;
  const next = await story(version2, { env: { receive } }, { slots: 'all', app: 'next', patcher });
  const started: Server = {
    old,
    handover: patch,
    next,
    patcher,
    serve() {
      const answer: number = old.exports['main'](0);
      return handedOver ? next.exports['main']() : answer;
    },
  };
  for (const app of [old, next]) app.log();
  return started;
}

const applied = [
  'apply handover: initializing',
  'apply handover: starting',
  'instance 1 -> universe 1 at loop',
  'apply handover: completing',
  'apply handover: complete',
];

const update = ({ old, handover: patch }: Server): void => {
  old.patcher.beginApply(patch);
  old.pump();
};

// - a server is in its loop for ever; while it serves the third of five requests, it is told that there is a new version
// - at its update point it hands over its state and ends; the new instance has converted it, and serves the other two
// - the new instance has no patch on: it runs the code that it was built from, and is the old one of the next update
test('the state of an instance is handed to one of the new version, which goes on in its place', async () => {
  const { old, next, patcher, serve } = await server(5, (s, left) => {
    if (left === 3) update(s);
  });
  expect(serve()).toBe(5_005);
  expect(old.memory().getUint32(1024 + 4, true)).toBe(3);
  expect(next.memory().getBigUint64(4096 + 8, true)).toBe(5n);
  expect(patcher.statusNow().programs.map((p) => [p.name, p.patches.length])).toEqual([
    ['app', 1],
    ['next', 0],
  ]);
  expect([old.log(), next.log()]).toEqual([applied, []]);
});

// - the same, but there are more hits than the new version has room for: it traps while it takes the state
// - the old instance goes on in its original loop, with its state, and the handover comes off at its next update point
test('a state that the new version cannot take stays with the old instance, which goes on', async () => {
  const { old, next, serve } = await server(150, (s, left) => {
    if (left === 30) update(s);
  });
  expect(serve()).toBe(150);
  expect(old.memory().getUint32(1024 + 4, true)).toBe(150);
  expect(old.patches()).toEqual([]);
  expect([old.log(), next.log()]).toEqual([
    [
      ...applied,
      'revert handover: initializing',
      'revert handover: starting',
      'instance 1 -> universe 2 at loop',
      'revert handover: completing',
      'revert handover: complete',
    ],
    [],
  ]);
});
