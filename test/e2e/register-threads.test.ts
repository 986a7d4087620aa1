// Threads that share one memory under `node --import wgraft/register`: a program that knows nothing of wgraft is patched as one, through
// the command line. test/support/registered/pool.ts says what its functions are, and what the patch brings.

import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type ControlClient, connect } from '../../src/control/index.ts';
import type { Blocking, ProgramStatus } from '../../src/runtime/index.ts';
import type { Ended } from '../support/cli.ts';
import { type Pool, reachable, startPool } from '../support/registered/pool.ts';

const soon = { timeout: 30_000, interval: 20 };

async function run({ box }: Pool, ...args: string[]): Promise<Ended> {
  const ended = await box.wgraft(...args);
  expect([ended.code, ended.stderr]).toEqual([0, '']);
  return ended;
}

/** Waits until the command sees all instances of the program. */
async function clientOf(pool: Pool, instances: number): Promise<ControlClient> {
  await reachable(pool);
  const client = await connect('pool', { folder: pool.box.sockets });
  await expect.poll(async () => (await programOf(client))?.instances.length, soon).toBe(instances);
  return client;
}

async function programOf(client: ControlClient): Promise<ProgramStatus | undefined> {
  return (await client.status()).programs[0];
}

async function blockingOf(
  client: ControlClient,
): Promise<[Blocking['thread'], Blocking['state'], ...string[]][]> {
  return (await client.blocking()).map((b) => [b.thread, b.state, ...b.functions]);
}

// - the tables of two threads have different lengths; apply: one row, all threads in it
// - the patch's variable is one: what all threads count in it at the same time is exact; it was written once
// - a function of the patch whose address one thread stores is the one that all others call
// - a worker that starts later has all that, at the same places, before its first call
// - revert: all threads run the old code; again: the variable begins anew, a pointer that was kept stays valid
test('one variable, one function address, late threads, and all of them back', async () => {
  await using pool = await startPool();
  const { ask } = pool;
  expect([await ask('worker'), await ask('worker'), await ask('grow 2 5')]).toEqual([1, 2, 2]);
  await using client = await clientOf(pool, 3);
  const { stdout } = await run(pool, 'apply', 'fix.wgp', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ complete: true, instances: { done: 3, total: 3 } });

  await ask('all work 20000');
  expect(await ask('all calls')).toEqual([60_100, 60_100, 60_100]);
  expect(await ask('all sum')).toEqual([60_000, 60_000, 60_000]);
  expect(await ask('all where')).toEqual([131072, 131072, 131072]);
  await ask('call 1 publish');
  expect(await ask('all through 7')).toEqual([21, 21, 21]);

  expect(await ask('worker')).toBe(3);
  expect(await ask('all answer')).toEqual([2, 2, 2, 2]);
  expect(await ask('all where')).toEqual([131072, 131072, 131072, 131072]);
  expect(await ask('call 3 through 7')).toBe(21);
  await ask('all work 10000');
  expect(await ask('call 3 calls')).toBe(100_100);
  await ask('call 3 publish');
  expect(await ask('call 0 through 5')).toBe(15);
  const { instances, patches, name } = (await programOf(client)) ?? {};
  expect([name, patches?.map((p) => [p.name, p.state])]).toEqual(['pool', [['fix', 'applied']]]);
  expect(new Set(instances?.map((i) => i.thread)).size).toBe(4);

  await run(pool, 'revert', 'fix');
  expect(await ask('all answer')).toEqual([1, 1, 1, 1]);
  expect(await ask('all calls')).toEqual([0, 0, 0, 0]);
  expect(await ask('all through 5')).toEqual([15, 15, 15, 15]);
  expect([await ask('worker'), await ask('call 4 answer')]).toEqual([4, 1]);

  await run(pool, 'apply', 'fix.wgp');
  await ask('all work 1000');
  expect(await ask('all calls')).toEqual(Array(5).fill(5100));
  expect(await ask('all where')).toEqual(Array(5).fill(131072));
  expect(pool.running.output.stderr).toBe('');
});

// - the main thread is inside the changed function: five attempts, nobody is switched, and the error names it
// - it leaves: all switch
test('stop-machine switches all threads or none', async () => {
  await using pool = await startPool();
  const { ask, box } = pool;
  expect([await ask('worker'), await ask('worker')]).toEqual([1, 2]);
  await using client = await clientOf(pool, 3);
  await ask('hold 0');
  const applying = box.wgraft('apply', 'fix.wgp', '--model', 'stop-machine', '--json');
  await expect.poll(() => blockingOf(client), soon).toEqual([[0, 'suspended', 'slow']]);
  expect(await ask('all answer')).toEqual([1, 1, 1]);
  const { code, stdout } = await applying;
  const conflicts = [{ instance: 1, functions: ['slow'], thread: 0 }];
  expect([code, JSON.parse(stdout)]).toMatchObject([
    5,
    { error: { code: 'WGRAFT_ERR_TRANSITION_CONFLICTS', details: { attempts: 5, conflicts } } },
  ]);
  expect(await ask('all answer')).toEqual([1, 1, 1]);
  expect(await ask('free 0')).toBe(1);
  await run(pool, 'apply', 'fix.wgp', '--model', 'stop-machine');
  expect(await ask('all answer')).toEqual([2, 2, 2]);
  await run(pool, 'revert', '--model', 'stop-machine');
  expect(await ask('all answer')).toEqual([1, 1, 1]);
});

describe('a transition that waits', () => {
  // - a worker is inside the changed function and dies there: the others have the patch, and the transition is complete
  test('goes on when the thread that it waits for dies', async () => {
    await using pool = await startPool();
    const { ask, box } = pool;
    expect([await ask('worker'), await ask('worker')]).toEqual([1, 2]);
    await using client = await clientOf(pool, 3);
    await ask('hold 1');
    const applying = box.wgraft('apply', 'fix.wgp', '--json');
    await expect.poll(() => blockingOf(client), soon).toEqual([[expect.any(Number), 'unseen']]);
    expect([await ask('call 0 answer'), await ask('call 2 answer')]).toEqual([2, 2]);
    await ask('kill 1');
    const { code, stdout } = await applying;
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { complete: true, instances: { done: 2, total: 2 } },
    ]);
    await run(pool, 'revert');
    expect([await ask('call 0 answer'), await ask('call 2 answer')]).toEqual([1, 1]);
  });

  // - the main thread sits in Atomics.wait: apply runs out of time, status and blocking name that thread, no thread has switched
  // - taken back: when the main thread stands up, nothing of the patch is left; and it can be applied then
  // - again, with a deadline that passes meanwhile
  test('for a main thread in Atomics.wait says so, and leaves nothing half done', async () => {
    await using pool = await startPool();
    const { ask, box } = pool;
    expect([await ask('worker'), await ask('worker')]).toEqual([1, 2]);
    await using client = await clientOf(pool, 3);
    const standsUp = async (file: string): Promise<void> => {
      await writeFile(box.path(file), '');
      expect(await pool.later()).toBe('stands up');
      await expect.poll(async () => (await programOf(client))?.transition, soon).toBe(undefined);
      expect((await programOf(client))?.patches).toEqual([]);
      expect(await ask('all answer')).toEqual([1, 1, 1]);
      expect((await box.wgraft('revert')).code).toBe(3); // nothing is on
    };
    expect(await ask('sit first')).toBe('sits');
    const stalled = await box.wgraft('apply', 'fix.wgp', '--timeout', '500ms');
    expect(stalled.code).toBe(5);
    expect(stalled.stderr).toMatch(
      /the event loop of thread 0 has not turned for .*, and it can only be switched there/,
    );
    const waiting = {
      patch: 'fix',
      direction: 'apply',
      phase: 'preparing',
      instances: { done: 0, total: 3 },
    };
    expect(await programOf(client)).toMatchObject({ transition: waiting, busyMs: expect.any(Number) });
    await expect.poll(() => blockingOf(client), soon).toEqual([[0, 'unseen']]);
    expect((await box.wgraft('blocking')).stdout).toMatch(
      /pool +1 of thread 0 +\S+ +unseen +no host call for/,
    );
    expect((await box.wgraft('revert', '--no-wait')).code).toBe(0);
    expect((await programOf(client))?.transition?.direction).toBe('revert');
    await standsUp('first');

    expect(await ask('sit second')).toBe('sits');
    const expired = box.wgraft('apply', 'fix.wgp', '--deadline', '100ms');
    await expect.poll(async () => (await programOf(client))?.transition?.direction, soon).toBe('revert');
    await standsUp('second');
    expect((await expired).stderr).toContain('code: WGRAFT_ERR_TRANSITION_EXPIRED');
    await run(pool, 'apply', 'fix.wgp');
    expect(await ask('all answer')).toEqual([2, 2, 2]);
  });
});

describe('a worker that starts while the main thread sits in Atomics.wait', () => {
  // - patched before: the worker is born with the patch, past the main thread's event loop
  test('is born patched', async () => {
    await using pool = await startPool();
    const { ask } = pool;
    expect(await ask('worker')).toBe(1);
    await using _ = await clientOf(pool, 2);
    expect(await ask('join')).toBe(1);
    await run(pool, 'apply', 'fix.wgp');
    expect(await ask('join')).toBe(2);
    expect(await ask('all where')).toEqual([131072, 131072, 131072, 131072]);
    await run(pool, 'revert');
    expect(await ask('join')).toBe(1);
  });

  // - the control thread cannot know of it: the patch goes on without it, and reaches it late, at the same places
  test('and is not known yet when a patch comes gets it late', async () => {
    await using pool = await startPool('idle');
    const { ask, box } = pool;
    expect(await ask('worker')).toBe(1);
    await using client = await clientOf(pool, 1);
    expect(await ask('join free')).toBe('sits');
    await run(pool, 'apply', 'fix.wgp');
    await writeFile(box.path('free'), '');
    expect(await pool.later()).toBe(1);
    await expect.poll(async () => (await programOf(client))?.instances.length, soon).toBe(2);
    expect(await ask('all answer')).toEqual([2, 2]);
    await ask('all work 1000');
    expect(await ask('all calls')).toEqual([2100, 2100]);
    await run(pool, 'revert');
    expect(await ask('all answer')).toEqual([1, 1]);
  });
});

// - the patch stays with the program while no thread runs it, and can be taken off it
test('a program that no thread runs for a while keeps its patch', async () => {
  await using pool = await startPool('idle');
  const { ask } = pool;
  expect(await ask('worker')).toBe(1);
  await using client = await clientOf(pool, 1);
  await run(pool, 'apply', 'fix.wgp');
  const end = async (n: number): Promise<void> => {
    await ask(`kill ${n}`);
    await expect.poll(() => programOf(client), soon).toBe(undefined);
  };
  await end(1);
  expect(await ask('worker')).toBe(2);
  await expect.poll(() => ask('call 2 answer'), soon).toBe(2);
  await end(2);
  expect((await run(pool, 'revert', 'fix')).stdout).toContain('migrated 0/0 instances');
  expect([await ask('worker'), await ask('call 3 answer')]).toEqual([3, 1]);
});

describe('two memories of one program', () => {
  // - each has threads of its own; the patch goes on in both, with a variable for each
  // - a third one comes when the program is patched already: it gets the patch, too
  // - one is given up: it is shown no more, and the other is as it was
  test('are patched together and know nothing of each other', async () => {
    await using pool = await startPool();
    const { ask } = pool;
    expect(await ask('worker')).toBe(1);
    await using client = await clientOf(pool, 2);
    const names = async (): Promise<unknown> =>
      (await client.status()).programs.map((p) => [p.name, p.instances.length, p.patches.length]);
    await ask('other');
    expect(await ask('worker')).toBe(1);
    await expect.poll(names, soon).toEqual([
      ['pool', 2, 0],
      ['pool#2', 2, 0],
    ]);
    const { stdout } = await run(pool, 'apply', 'fix.wgp', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, instances: { done: 4, total: 4 } });
    await ask('all work 10');
    expect(await ask('all calls')).toEqual([120, 120]);
    await ask('other');
    await expect.poll(() => ask('call 0 answer'), soon).toBe(2);
    expect([await ask('call 0 calls'), await ask('worker'), await ask('call 1 answer')]).toEqual([100, 1, 2]);
    await ask('kill 1');
    await ask('drop');
    await expect
      .poll(async () => {
        await ask('collect');
        return names();
      }, soon)
      .toEqual([
        ['pool', 2, 1],
        ['pool#2', 2, 1],
      ]);
    expect(await ask('all calls')).toEqual([120, 120]);
    await run(pool, 'revert');
    expect(await ask('all answer')).toEqual([1, 1]);
  });
});
