// kGraft (V. Pavlík, J. Slabý, SUSE, 2014: "kGraft: live kernel patching", lwn.net/Articles/596854; kgraft's and SUSE's `klp` tools).
//
// What it could do: patch without stopping anything. Each thread lives in a universe, all old functions or all new ones, and
// moves when it leaves the kernel; until the last one has moved both universes exist side by side. Threads that sleep in the
// kernel for ever, the eternal sleepers, are woken by a signal that nobody sees. A second patch is refused while one is under way.
//
// Here: `leave-kernel`, an instance for a thread, patch states in `status`; and a WASI program that sleeps in a read.

import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { compileC } from '../support/compile-c.ts';
import { eventLine, type Story, story } from '../support/story.ts';
import { startWasi } from '../support/wasi-process.ts';

/** A system call that takes a lock and gives it back: both must be of one universe. */
const kernel = `(module
  (import "env" "sleep" (func $sleep))
  (func $lock (export "lock") (result i32) (i32.const 1))
  (func $unlock (export "unlock") (result i32) (i32.const 1))
  (func (export "syscall") (result i32) (local $taken i32)
    (local.set $taken (call $lock))
    (call $sleep)
    (i32.add (i32.mul (local.get $taken) (i32.const 10)) (call $unlock))))`;

const newLocks = `(module
  (func (export "lock") (result i32) (i32.const 2))
  (func (export "unlock") (result i32) (i32.const 2)))`;

interface Jspi {
  readonly promising: (f: unknown) => () => Promise<number>;
  readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
}

async function threads(): Promise<{
  app: Story;
  syscalls: (() => Promise<number>)[];
  exports: Story['exports'][];
  patch: Uint8Array;
  wakeOne: () => void;
}> {
  const jspi = WebAssembly as unknown as Jspi;
  const asleep: (() => void)[] = [];
  const sleep = new jspi.Suspending(() => new Promise((resolve) => asleep.push(resolve)));
  const app = await story(kernel, { env: { sleep } });
  const exports = [app.exports, (await app.another()).exports, (await app.another()).exports];
  const patch = await app.patch('locks', ['lock', 'unlock'], newLocks);
  app.log();
  const syscalls = exports.map((e) => jspi.promising(e['syscall']));
  return { app, syscalls, exports, patch, wakeOne: () => asleep.shift()?.() };
}

describe.runIf('promising' in WebAssembly)('threads', () => {
  // - three threads; two of them sleep in the kernel. The third is moved at once: old and new live side by side
  // - a new thread is born into the new universe; a second patch is refused
  // - each sleeper ends its system call in the universe that it began in, and is moved when it has left; then it is complete
  test('move one by one as they leave the kernel, and none sees both universes', async () => {
    const { app, syscalls, exports, patch, wakeOne } = await threads();
    const [first, second] = syscalls.slice(0, 2).map((call) => call());
    const applied = app.patcher.apply(patch, { model: 'leave-kernel' });
    const progress = (): unknown => {
      const [program] = app.patcher.statusNow().programs;
      return [program?.instances.map((i) => i.state), program?.transition?.instances];
    };
    await expect.poll(progress).toEqual([[0, 0, 1], { done: 1, total: 3 }]);
    expect(app.patcher.blockingNow()).toMatchObject([
      { instance: 1, state: 'suspended', functions: ['syscall'], stack: ['syscall'] },
      { instance: 2, state: 'suspended', functions: ['syscall'], stack: ['syscall'] },
    ]);
    expect(exports.map((e) => [e['lock'](), e['unlock']()])).toEqual([
      [1, 1],
      [1, 1],
      [2, 2],
    ]);
    expect((await app.another()).exports['lock']()).toBe(2);
    const other = await app.patch(
      'other',
      'lock',
      '(module (func (export "lock") (result i32) (i32.const 3)))',
    );
    await expect(app.patcher.apply(other)).rejects.toMatchObject({ code: 'WGRAFT_ERR_TRANSITION_RUNS' });

    wakeOne();
    expect(await first).toBe(11);
    await expect.poll(progress).toEqual([[1, 0, 1, 1], { done: 3, total: 4 }]);
    wakeOne();
    expect(await second).toBe(11);
    expect((await applied).complete).toBe(true);
    const later = syscalls[0]?.();
    wakeOne();
    expect(await later).toBe(22);
    expect(app.log()).toEqual([
      'apply locks: initializing',
      'apply locks: starting',
      'instance 3 -> universe 1',
      'instance 4 born',
      'instance 1 -> universe 1',
      'instance 2 -> universe 1',
      'apply locks: completing',
      'apply locks: complete',
    ]);
  });

  // - the same without universes: a system call locks with the old function and unlocks with the new one
  test('would mix both universes if they were moved inside the kernel', async () => {
    const { app, syscalls, patch, wakeOne } = await threads();
    const mixed = syscalls[0]?.();
    await app.patcher.apply(patch, { model: 'immediate' });
    wakeOne();
    expect(await mixed).toBe(12);
  });
});

// - a daemon sleeps in a read, for ever as far as anyone knows; the patch waits for it
// - it is woken, looked at, moved and put back to sleep: the read has not returned, no input is lost, its state is kept
test('the eternal sleeper is woken, moved and put back to sleep, and has seen nothing of it', async () => {
  const daemon = `
    #include <stdio.h>
    static int requests;
    static volatile int one = 1;
    __attribute__((noinline)) int version(void) { return one; }
    int main(void) {
      char line[64];
      for (; fgets(line, sizeof line, stdin); ) {
        printf("%d v%d %s", ++requests, version(), line);
        fflush(stdout);
      }
      printf("ended after %d requests\\n", requests);
      return 0;
    }`;
  const target = (await prepare(await compileC(daemon), { slots: 'all' })).bytes;
  const text = '(module (func (export "version") (result i32) (i32.const 2)))';
  const source = { kind: 'wat', text, file: 'version.wat' } as const;
  const replacements = [{ function: 'version', source }];
  const { bytes } = await buildPatch({ target, name: 'two', replacements });
  await using app = await startWasi(target, { name: 'daemon' });
  const soon = { timeout: 30_000, interval: 5 };
  app.stdin.write('one\n');
  await expect.poll(() => app.output.stdout, soon).toBe('1 v1 one\n');

  expect(await app.operations.apply(bytes)).toMatchObject({
    complete: true,
    instances: { done: 1, total: 1 },
  });
  expect(app.output.stdout).toBe('1 v1 one\n'); // still asleep
  expect((await app.operations.status()).programs[0]).toMatchObject({
    universe: 1,
    instances: [{ id: 1, state: -1 }],
  });
  app.stdin.end('two\nthree\n');
  expect(await app.exit).toEqual({ code: 0 });
  expect(app.output.stdout).toBe('1 v1 one\n2 v2 two\n3 v2 three\nended after 3 requests\n');
  expect(app.events.map(eventLine)).toEqual([
    'apply two: initializing',
    'apply two: starting',
    'instance 1 -> universe 1',
    'apply two: completing',
    'apply two: complete',
  ]);
});
