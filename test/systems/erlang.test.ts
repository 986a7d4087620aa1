// Erlang/OTP (erlang.org, "Compilation and Code Loading"; the module `code`; "Release Handling", `sys:suspend`, `code_change`).
//
// What it can do: two versions of a module live at once, current and old. A process stays in the version that it runs, through
// all its local calls, until it makes a fully qualified call (M:F), which goes to the current one. Loading a third version
// purges the oldest: processes that are still in it are killed (`purge`), or the loading is refused (`soft_purge`). An upgrade
// of a server suspends it, loads the code, lets the new code change its state (`code_change`), and resumes it.
//
// Here: a process is an activation that waits for its next message (JSPI). Its loop is a local call; the slot in front of the
// function is the fully qualified one. Code is loaded by `immediate`: nobody has to leave anything.

import { describe, expect, test } from 'vitest';
import type { Patcher } from '../../src/index.ts';
import { type Story, story } from '../support/story.ts';

interface Jspi {
  readonly promising: (f: unknown) => (...args: number[]) => Promise<number>;
  readonly Suspending: new (f: (process: number) => Promise<number>) => WebAssembly.ImportValue;
}

/** Messages: 1 counts, 2 asks for a fully qualified call. Counting answers version * 100 + count. */
const message = { count: 1, switchCode: 2 } as const;

const loop = (version: number): string => `
  (func $loop (export "loop") (param $process i32) (param $count i32) (result i32) (local $message i32)
    (loop $local
      (local.set $message (call $receive (local.get $process)))
      (if (i32.eq (local.get $message) (i32.const ${message.count}))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (call $send (local.get $process) (i32.add (i32.const ${version * 100}) (local.get $count)))
          (br $local))))
    (return_call $qualified (local.get $process) (local.get $count)))`;

const counter = `(module
  (import "env" "receive" (func $receive (param i32) (result i32)))
  (import "env" "send" (func $send (param i32 i32)))
  (func $qualified (param i32 i32) (result i32) (return_call $loop (local.get 0) (local.get 1)))
  ${loop(1)})`;

const version = (n: number): string => `(module
  (import "target" "receive" (func $receive (param i32) (result i32)))
  (import "target" "send" (func $send (param i32 i32)))
  (import "target" "qualified" (func $qualified (param i32 i32) (result i32)))
  ${loop(n)})`;

interface Node {
  readonly app: Story;
  /** Starts a process, which runs the current code. */
  spawn(process: number): void;
  /** Sends a message; what the process sends back, or "killed" and the like where it has ended. */
  tell(process: number, what: keyof typeof message): Promise<number | undefined>;
  kill(process: number): void;
  alive(): number[];
}

async function node(): Promise<Node> {
  const jspi = WebAssembly as unknown as Jspi;
  const waiting = new Map<number, { resolve: (m: number) => void; reject: (cause: unknown) => void }>();
  const answers = new Map<number, number>();
  const receive = new jspi.Suspending(
    (process) => new Promise((resolve, reject) => waiting.set(process, { resolve, reject })),
  );
  const send = (process: number, value: number): void => void answers.set(process, value);
  const app = await story(counter, { env: { receive, send } });
  app.log();
  return {
    app,
    spawn(process) {
      const gone = (): void => void waiting.delete(process);
      jspi.promising(app.exports['loop'])(process, 0).then(gone, gone);
    },
    async tell(process, what) {
      answers.delete(process);
      waiting.get(process)?.resolve(message[what]);
      for (let i = 0; i < 20; i += 1) await undefined; // microtasks: it runs until it waits again
      return answers.get(process);
    },
    kill: (process) => waiting.get(process)?.reject(new Error('killed')),
    alive: () => [...waiting.keys()],
  };
}

const load = (patcher: Patcher, code: Uint8Array): Promise<unknown> =>
  patcher.apply(code, { model: 'immediate' });

/**
 * `code:soft_purge`: is nobody in the old version? `next` is asked for by `hybrid`, which waits for whoever is in any version,
 * and taken back; who was in the way says which versions are in use.
 */
async function softPurge(patcher: Patcher, next: Uint8Array, old: string): Promise<boolean> {
  const begun = patcher.beginApply(next, { model: 'hybrid' });
  patcher.pump(10_000);
  const used = patcher.blockingNow().flatMap((b) => b.functions);
  patcher.beginRevert();
  patcher.pump(10_000);
  await begun.finished;
  return !used.includes(old);
}

describe.runIf('promising' in WebAssembly)('code', () => {
  // - process 1 starts in version 1, version 2 is loaded, process 2 starts in it: two versions live at once
  // - process 1 stays where it is through all its local calls, and moves with its count by a fully qualified call
  test('of two versions lives at once; a fully qualified call leads to the current one', async () => {
    const { app, spawn, tell } = await node();
    spawn(1);
    const seen = [await tell(1, 'count')];
    await load(app.patcher, await app.patch('two', 'loop', version(2)));
    spawn(2);
    seen.push(await tell(1, 'count'), await tell(2, 'count'), await tell(1, 'count'), await tell(2, 'count'));
    await tell(1, 'switchCode');
    seen.push(await tell(1, 'count'));
    expect(seen).toEqual([101, 102, 201, 103, 202, 204]);
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      'instance 1 -> universe 1',
      'apply two: completing',
      'apply two: complete',
    ]);
  });

  // - processes 1 and 2 are in versions 1 and 2. A third version: soft_purge refuses while process 1 is in the oldest
  // - process 1 moves to the current one: soft_purge agrees; the third is loaded; processes 2 and 1 stay in the second
  test('of a third version is refused while the oldest is in use (soft_purge)', async () => {
    const { app, spawn, tell, alive } = await node();
    const [two, three] = [
      await app.patch('two', 'loop', version(2)),
      await app.patch('three', 'loop', version(3)),
    ];
    spawn(1);
    await load(app.patcher, two);
    spawn(2);
    expect(await softPurge(app.patcher, three, 'loop')).toBe(false);
    expect([await tell(1, 'count'), await tell(2, 'count')]).toEqual([101, 201]);
    await tell(1, 'switchCode');
    expect(await softPurge(app.patcher, three, 'loop')).toBe(true);
    await load(app.patcher, three);
    spawn(3);
    expect([await tell(1, 'count'), await tell(2, 'count'), await tell(3, 'count')]).toEqual([202, 202, 301]);
    expect(alive()).toEqual([1, 2, 3]);
    const refused = [
      'apply three: initializing',
      'apply three: starting',
      'apply three: reversing',
      'revert three: completing',
      'revert three: complete',
    ];
    const loaded = (name: string, universe: number): string[] => [
      `apply ${name}: initializing`,
      `apply ${name}: starting`,
      `instance 1 -> universe ${universe}`,
      `apply ${name}: completing`,
      `apply ${name}: complete`,
    ];
    expect(app.log()).toEqual([...loaded('two', 1), ...refused, ...refused, ...loaded('three', 6)]);
  });

  // - the same, but purged: process 1, in the oldest version, is killed; process 2 lives on in what is now the old one
  test('of the oldest version is purged: whoever is in it is killed', async () => {
    const { app, spawn, tell, kill, alive } = await node();
    const [two, three] = [
      await app.patch('two', 'loop', version(2)),
      await app.patch('three', 'loop', version(3)),
    ];
    spawn(1);
    await load(app.patcher, two);
    spawn(2);
    kill(1);
    for (let i = 0; i < 20; i += 1) await undefined;
    expect(await softPurge(app.patcher, three, 'loop')).toBe(true);
    await load(app.patcher, three);
    expect(alive()).toEqual([2]);
    expect(await tell(2, 'count')).toBe(201);
    await tell(2, 'switchCode');
    expect(await tell(2, 'count')).toBe(302);
  });
});

// A server that keeps its state in memory: version 1 a sum, version 2 a sum and how many numbers are in it, 16 bytes further on.
const server = `(module
  (memory (export "memory") 1)
  (func $add (export "add") (param $n i32) (result i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get $n)))
    (i32.load (i32.const 0))))`;

const serverTwo = `(module
  (import "target" "memory" (memory 1))
  (func (export "add") (param $n i32) (result i32)
    (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $n)))
    (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1)))
    (i32.add (i32.mul (i32.load (i32.const 20)) (i32.const 1000)) (i32.load (i32.const 16))))
  ;; code_change(1, State): the new code makes its state of the old one. One number, as far as anyone remembers.
  (func (export "__wgraft_post_patch")
    (i32.store (i32.const 16) (i32.load (i32.const 0)))
    (i32.store (i32.const 20) (i32.const 1)))
  ;; code_change({down, 1}, State): again the newer code, before it goes.
  (func (export "__wgraft_pre_unpatch") (i32.store (i32.const 0) (i32.load (i32.const 16)))))`;

describe('an upgrade of a server', () => {
  // - suspend: messages are kept back; load; code_change; resume: what was kept back is answered by the new code on the new state
  // - and down again, by the newer code's own code_change
  test('changes its state between suspend and resume, and back', async () => {
    const app = await story(server);
    app.log();
    const kept: number[] = [];
    let suspended = false;
    const call = (n: number): number | undefined => {
      if (!suspended) return app.exports['add'](n) as number;
      kept.push(n);
      return undefined;
    };
    const synchronised = async (change: () => Promise<unknown>): Promise<number[]> => {
      suspended = true;
      const changing = change();
      call(10);
      call(20);
      await changing;
      suspended = false;
      return kept.splice(0).map((n) => app.exports['add'](n) as number);
    };
    const two = await app.patch('two', 'add', serverTwo, { states: [{ id: 1, version: 2 }] });
    expect([call(1), call(2)]).toEqual([1, 3]);
    expect(await synchronised(() => app.patcher.apply(two))).toEqual([2013, 3033]);
    expect(await synchronised(() => app.patcher.revert('two'))).toEqual([43, 63]);
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      'instance 1 -> universe 1',
      'apply two: completing',
      'instance 1 two: postPatch done',
      'apply two: complete',
      'revert two: initializing',
      'instance 1 two: preUnpatch done',
      'revert two: starting',
      'instance 1 -> universe 2',
      'revert two: completing',
      'revert two: complete',
    ]);
  });
});
