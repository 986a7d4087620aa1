// UpStare (K. Makris, R. Bazzi, "Immediate multi-threaded dynamic software updates using stack reconstruction", USENIX ATC 2009).
//
// What it could do: update a whole C program at once, with the functions that are on its stacks, whether they return or not.
// Compiled so that every function can save its frame and leave, and be entered again in its middle, all threads unwind their
// stacks; the frames are converted, and may become more or fewer and have other locals; then each thread winds its stack up
// again, in the new version of each function, and goes on where it was.
//
// Here: binaryen's Asyncify, which is that compilation; both builds went through it, and the patch is what differs. A thread is a
// stack that lies unwound in the program's memory; to unwind and rewind it is the host's part, as always with Asyncify.
// `immediate` waits for nobody, and callbacks convert the frames. What these look like (which of its calls a function is at,
// and the locals that live across it) is to be read from the pass' output: UpStare knew, here the mapping is the author's.

import { beforeAll, describe, expect, test } from 'vitest';
import { buildPatchFromBuilds } from '../../src/build/index.ts';
import { type Story, story } from '../support/story.ts';
import { wat } from '../support/wat.ts';

const asyncified = (functions: string): Uint8Array =>
  wat(
    `(module
      (import "env" "receive" (func $receive (param $id i32) (result i32)))
      (import "env" "answer" (func $answer (param $id i32) (param $sum i32) (param $requests i32)))
      (memory (export "memory") 1)
      (func $request (param $id i32) (result i32) (call $receive (local.get $id)))
      ${functions})`,
    ['asyncify'],
  );

// A thread adds up what it receives, and never returns.
const program = asyncified(`
  (func $main (export "main") (param $id i32) (local $sum i32)
    (loop $for_ever
      (local.set $sum (i32.add (local.get $sum) (call $request (local.get $id))))
      (call $answer (local.get $id) (local.get $sum) (i32.const -1))
      (br $for_ever)))`);

// The new version counts requests, in a local of main, and has moved half of the loop's body into a function of its own.
const version2 = asyncified(`
  (func $add_request (param $id i32) (param $sum i32) (result i32)
    (i32.add (local.get $sum) (call $request (local.get $id))))
  (func $main (export "main") (param $id i32) (local $sum i32) (local $requests i32)
    (loop $for_ever
      (local.set $sum (call $add_request (local.get $id) (local.get $sum)))
      (local.set $requests (i32.add (local.get $requests) (i32.const 1)))
      (call $answer (local.get $id) (local.get $sum) (local.get $requests))
      (br $for_ever)))`);

/** Where the stacks of threads 1 and 2 lie: two words for Asyncify (top, limit), then the frames, innermost first. */
const stackOf = (id: number): number => id * 256;

// Bytes from the start of a stack; main waits for request (or for add_request, and that for request), the first of its calls: 0.
//
//   old    8 request { call, id }   16 main { call, id, sum, answer }                                             32 top
//   new    8 request { call, id }   16 add_request { call, id, sum }   28 main { call, id, requests, sum }        44 top
const transformer = `(module
  (import "target" "memory" (memory 1))
  (func $is_at (param $stack i32) (param $top i32) (result i32)
    (i32.eq (i32.load (local.get $stack)) (i32.add (local.get $stack) (local.get $top))))
  (func $map (param $stack i32)
    (if (i32.eqz (call $is_at (local.get $stack) (i32.const 32))) (then (return)))
    (i32.store offset=28 (local.get $stack) (i32.const 0))
    (i32.store offset=32 (local.get $stack) (i32.load offset=20 (local.get $stack)))
    (i32.store offset=36 (local.get $stack) (i32.const 0))
    (i32.store offset=40 (local.get $stack) (i32.load offset=24 (local.get $stack)))
    (i32.store (local.get $stack) (i32.add (local.get $stack) (i32.const 44))))
  (func $map_back (param $stack i32)
    (if (i32.eqz (call $is_at (local.get $stack) (i32.const 44))) (then (return)))
    (i32.store offset=28 (local.get $stack) (i32.const 0))
    (i32.store (local.get $stack) (i32.add (local.get $stack) (i32.const 32))))
  (func $is_mapped (param $stack i32) (result i32)
    (i32.or
      (i32.eqz (i32.load (local.get $stack)))
      (i32.and
        (call $is_at (local.get $stack) (i32.const 32))
        (i32.eqz (i32.or (i32.load offset=8 (local.get $stack)) (i32.load offset=16 (local.get $stack)))))))
  (func (export "__wgraft_pre_patch") (result i32) ;; -1 where a thread is somewhere else
    (i32.sub (i32.and (call $is_mapped (i32.const 256)) (call $is_mapped (i32.const 512))) (i32.const 1)))
  (func (export "__wgraft_post_patch") (call $map (i32.const 256)) (call $map (i32.const 512)))
  (func (export "__wgraft_pre_unpatch") (call $map_back (i32.const 256)) (call $map_back (i32.const 512))))`;

let patch: Uint8Array;
beforeAll(async () => {
  const callbacks = { kind: 'wat', text: transformer, file: 'transformer.wat' } as const;
  const prepare = { slots: 'all' } as const;
  const builds = { old: program, new: version2 };
  const built = await buildPatchFromBuilds({
    ...builds,
    name: 'two',
    model: 'immediate',
    callbacks,
    prepare,
  });
  expect(built.report.functions.map((f) => f.name)).toEqual(['main']);
  patch = built.bytes;
});

interface Threads {
  readonly app: Story;
  /** Enters main, which waits for its first request. */
  start(id: number): void;
  /** Gives a thread what it waits for: it winds up its stack, goes on, and unwinds where it waits next. */
  resume(id: number, n?: number): void;
  /** What threads answered since it was last asked, in order. */
  answered(): unknown[];
  /** Threads whose answers take their time: they wait in answer, too. */
  readonly slow: Set<number>;
}

const thread = (id: number, sum: number, requests = -1): unknown => ({ id, sum, requests });

/** The host's half of Asyncify, as Emscripten's glue does it. */
async function threads(): Promise<Threads> {
  let received = 0;
  const answers: unknown[] = [];
  const slow = new Set<number>();
  const isResumed = (id: number): boolean => {
    const { asyncify_get_state, asyncify_start_unwind, asyncify_stop_rewind } = app.exports;
    const rewinding = asyncify_get_state() === 2;
    if (rewinding) asyncify_stop_rewind();
    else asyncify_start_unwind(stackOf(id));
    return rewinding;
  };
  const receive = (id: number): number => (isResumed(id) ? received : 0);
  const answer = (id: number, sum: number, requests: number): void => {
    if (!slow.has(id) || isResumed(id)) answers.push(thread(id, sum, requests));
  };
  const app = await story(program, { env: { receive, answer } });
  const enterMain = (id: number): void => {
    app.exports['main'](id);
    app.exports['asyncify_stop_unwind']();
  };
  app.log();
  return {
    app,
    start(id) {
      const [top, limit] = [stackOf(id) + 8, stackOf(id) + 256];
      new Uint32Array(app.exports['memory'].buffer, stackOf(id)).set([top, limit]);
      enterMain(id);
    },
    resume(id, n = 0) {
      received = n;
      app.exports['asyncify_start_rewind'](stackOf(id));
      enterMain(id);
    },
    answered: () => answers.splice(0),
    slow,
  };
}

const callback = (name: string, outcome = 'done'): string => `instance 1 two: ${name} ${outcome}`;

describe('a thread in a function that never returns', () => {
  // - two threads are in main for ever, each with a sum of its own; whoever waits until main is left, waits for ever
  // - at once: both stacks are rewritten, two frames to three, and wind up in the middle of the new main's loop: with their sums,
  //   and now they count
  // - and back: three frames become two, and the old main goes on with the sums
  test('is updated at once: its stack is unwound, mapped, and built up again of new functions', async () => {
    const { app, start, resume, answered } = await threads();
    start(1);
    start(2);
    resume(1, 5);
    resume(2, 70);
    resume(1, 6);
    expect(answered()).toEqual([thread(1, 5), thread(2, 70), thread(1, 11)]);
    app.patcher.beginApply(patch, { model: 'leave-set' });
    app.pump();
    expect(app.patcher.blockingNow()).toMatchObject([{ state: 'unwound', stack: ['main', 'request'] }]);
    app.patcher.beginRevert();
    app.pump();
    expect(app.log()).toEqual([
      'apply two: initializing',
      callback('prePatch'),
      'apply two: starting',
      'apply two: reversing',
      'revert two: completing',
      'revert two: complete',
    ]);

    app.patcher.beginApply(patch);
    app.pump();
    for (const id of [1, 2, 1]) resume(id, 1);
    expect(answered()).toEqual([thread(1, 12, 1), thread(2, 71, 1), thread(1, 13, 2)]);
    app.patcher.beginRevert();
    app.pump();
    for (const id of [1, 2]) resume(id, 1);
    expect(answered()).toEqual([thread(1, 14), thread(2, 72)]);
    expect(app.log()).toEqual([
      'apply two: initializing',
      callback('prePatch'),
      'apply two: starting',
      'instance 1 -> universe 3',
      'apply two: completing',
      callback('postPatch'),
      'apply two: complete',
      'revert two: initializing',
      callback('preUnpatch'),
      'revert two: starting',
      'instance 1 -> universe 4',
      'revert two: completing',
      'revert two: complete',
    ]);
  });

  // - a thread waits in answer, of which main has another call under way: the mapping knows no such stack; refused
  // - it goes on in the old main, as if nothing had been, and waits in request: now it is updated
  test('is not updated at a place that there is no mapping for', async () => {
    const { app, start, resume, answered, slow } = await threads();
    start(1);
    slow.add(1);
    resume(1, 5);
    await expect(app.patcher.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PATCH_REFUSED',
      details: { reason: 'it returned -1' },
    });
    resume(1);
    slow.clear();
    app.patcher.beginApply(patch);
    app.pump();
    resume(1, 1);
    expect(answered()).toEqual([thread(1, 5), thread(1, 6, 1)]);
    expect(app.log()).toEqual([
      'apply two: initializing',
      callback('prePatch', 'refused'),
      'apply two: cancelled',
      'apply two: initializing',
      callback('prePatch'),
      'apply two: starting',
      'instance 1 -> universe 2',
      'apply two: completing',
      callback('postPatch'),
      'apply two: complete',
    ]);
  });
});
