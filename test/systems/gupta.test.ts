// The framework of D. Gupta, P. Jalote and G. Barua ("A formal framework for on-line software version change", IEEE Transactions
// on Software Engineering 22(2), 1996), and the system of Gupta's thesis ("On-line software version change", IIT Kanpur, 1994).
//
// What it could do: replace a whole program by its next version, with the state of the process mapped over, and say when that is
// valid: the process must come to a state that the new version, started alone, could come to. In general nobody can decide
// that; it suffices that no changed function is on the stack, and that the mapping gives such a state. (Gupta's system did it by
// a second process, to which the state was transferred: see ekiden.test.ts.)
//
// Here: a patch from two builds that have no function in common, in place; `leave-kernel`, since where all functions change there
// is nothing else to leave; and the mapping in post_patch. That it is right, only its author can know: the stories compare the
// process with an instance of the new version alone that had the same input.

import { beforeAll, describe, expect, test } from 'vitest';
import { buildPatchFromBuilds } from '../../src/build/index.ts';
import { type Story, story } from '../support/story.ts';
import { wat } from '../support/wat.ts';

/** Both versions read so; what they insert, and what they answer, is not the same. */
const insertAll = `
    (loop $more
      (if (local.tee $n (call $next))
        (then
          (call $insert (local.get $n))
          (br $more))))`;

// A set of numbers. At 0 its size, from 16 on the numbers, as they came.
const program = wat(`(module
  (import "env" "next" (func $next (result i32)))
  (memory (export "memory") 1)
  (func $size (export "size") (result i32) (i32.load (i32.const 0)))
  (func $contains (export "contains") (param $n i32) (result i32) (local $at i32)
    (local.set $at (i32.shl (call $size) (i32.const 2)))
    (loop $down
      (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
      (local.set $at (i32.sub (local.get $at) (i32.const 4)))
      (br_if $down (i32.ne (i32.load offset=16 (local.get $at)) (local.get $n))))
    (i32.const 1))
  (func $insert (param $n i32)
    (i32.store offset=16 (i32.shl (call $size) (i32.const 2)) (local.get $n))
    (i32.store (i32.const 0) (i32.add (call $size) (i32.const 1))))
  (func $read (export "read") (result i32) (local $n i32)
    ${insertAll}
    (call $size)))`);

// The new version: at 0 the size in bytes; the numbers are sorted, none is there twice, and they are searched by halves.
const version2 = wat(`(module
  (import "env" "next" (func $next (result i32)))
  (memory (export "memory") 1)
  (func $size (export "size") (result i32) (i32.shr_u (i32.load (i32.const 0)) (i32.const 2)))
  (func $contains (export "contains") (param $n i32) (result i32) (local $low i32) (local $high i32) (local $middle i32)
    (local.set $high (call $size))
    (loop $halve
      (if (i32.ge_u (local.get $low) (local.get $high)) (then (return (i32.const 0))))
      (local.set $middle (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)))
      (if (i32.lt_u (i32.load offset=16 (i32.shl (local.get $middle) (i32.const 2))) (local.get $n))
        (then (local.set $low (i32.add (local.get $middle) (i32.const 1))))
        (else (local.set $high (local.get $middle))))
      (br_if $halve (i32.ne (i32.load offset=16 (i32.shl (local.get $middle) (i32.const 2))) (local.get $n))))
    (i32.const 1))
  (func $insert (param $n i32) (local $at i32)
    (if (call $contains (local.get $n)) (then (return)))
    (local.set $at (i32.load (i32.const 0)))
    (i32.store (i32.const 0) (i32.add (local.get $at) (i32.const 4)))
    (block $here
      (loop $down
        (br_if $here (i32.eqz (local.get $at)))
        (br_if $here (i32.lt_u (i32.load offset=12 (local.get $at)) (local.get $n)))
        (i32.store offset=16 (local.get $at) (i32.load offset=12 (local.get $at)))
        (local.set $at (i32.sub (local.get $at) (i32.const 4)))
        (br $down)))
    (i32.store offset=16 (local.get $at) (local.get $n)))
  (func $read (export "read") (result i32) (local $n i32)
    ${insertAll}
    (i32.sub (i32.const 0) (call $size))))`);

// The old numbers are inserted by the new version, one after another, in front of those that have not been yet.
const mapping = `(module
  (import "target" "memory" (memory 1))
  (import "target" "insert" (func $insert (param i32)))
  (func (export "__wgraft_post_patch") (local $at i32) (local $end i32)
    (local.set $end (i32.shl (i32.load (i32.const 0)) (i32.const 2)))
    (i32.store (i32.const 0) (i32.const 0))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (call $insert (i32.load offset=16 (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br $next))))))`;

const everything = ['contains', 'insert', 'read', 'size'];

async function change(callbacks?: string): Promise<Uint8Array> {
  const source =
    callbacks === undefined
      ? {}
      : { callbacks: { kind: 'wat', text: callbacks, file: 'mapping.wat' } as const };
  const built = await buildPatchFromBuilds({
    old: program,
    new: version2,
    name: 'two',
    model: 'leave-kernel',
    prepare: { slots: 'all' },
    ...source,
  });
  expect(built.report.functions.map((f) => f.name).sort()).toEqual(everything);
  return built.bytes;
}

interface Process {
  readonly app: Story;
  /** Lets it read these numbers; `atThird` happens while it waits for the third. */
  read(numbers: readonly number[], atThird?: () => void): number;
  /** All that it remembers, as it remembers it. */
  state(): number[];
}

async function start(version: Uint8Array): Promise<Process> {
  const host = { next: (): number => 0 };
  const app = await story(version, { env: { next: () => host.next() } });
  app.log();
  return {
    app,
    read(numbers, atThird = () => {}) {
      let at = 0;
      host.next = () => {
        if (at === 2) atThird();
        return numbers[at++] ?? 0;
      };
      return app.exports['read']();
    },
    state() {
      const size: number = app.exports['size']();
      return Array.from({ length: 4 + size }, (_, i) => app.memory().getUint32(i * 4, true));
    },
  };
}

let valid: Uint8Array;
let invalid: Uint8Array;
beforeAll(async () => {
  [valid, invalid] = [await change(mapping), await change()];
});

const input = [50, 10, 40, 10, 30] as const;
const lines = (...callbacks: string[]): string[] => [
  'apply two: initializing',
  'apply two: starting',
  'instance 1 -> universe 1',
  'apply two: completing',
  ...callbacks,
  'apply two: complete',
];

describe('a change of all functions', () => {
  // - the process is reading: read is on its stack, so the change is delayed, and it reads to the end in the old version
  // - nothing is on the stack: all functions are replaced at once, the state is mapped
  // - the process is where the new version alone would be after the same input; and so it is after some more
  test('at a valid point leads to a state of the new version alone', async () => {
    const [process, alone] = [await start(program), await start(version2)];
    const seen: unknown[] = [];
    const size = process.read(input, () => {
      process.app.patcher.beginApply(valid);
      process.app.pump();
      seen.push(process.app.patcher.blockingNow().map((b) => b.functions));
    });
    seen.push(size, process.state());
    expect(seen).toEqual([[['read']], 5, [5, 0, 0, 0, ...input]]);
    process.app.pump();
    alone.read(input);
    expect(process.state()).toEqual(alone.state());
    expect(process.state()).toEqual([16, 0, 0, 0, 10, 30, 40, 50]);

    expect([process.read([20, 40, 60]), alone.read([20, 40, 60])]).toEqual([-6, -6]);
    expect(process.state()).toEqual(alone.state());
    expect([20, 25, 50].map((n) => process.app.exports['contains'](n))).toEqual([1, 0, 1]);
    expect(process.app.log()).toEqual(lines('instance 1 two: postPatch done'));
  });

  // - the same while nothing is on the stack, but with the state as it is: no function is wrong, and none was active
  // - yet the new version alone never comes to such a state: it does not find what it has, and traps at the next number
  test('without a mapping leads to a state that the new version alone never comes to', async () => {
    const [process, alone] = [await start(program), await start(version2)];
    for (const p of [process, alone]) p.read(input);
    await process.app.patcher.apply(invalid);
    expect(process.app.log()).toEqual(lines());
    expect(process.state()).not.toEqual(alone.state());
    const contains = (p: Process): unknown => [10, 30, 40, 50].map((n) => p.app.exports['contains'](n));
    expect([contains(process), contains(alone)]).toEqual([
      [0, 0, 0, 1],
      [1, 1, 1, 1],
    ]);
    expect(() => process.read([20])).toThrow(WebAssembly.RuntimeError);
    expect(alone.read([20])).toBe(-5);
  });
});
