// Threads whose event loop does not turn: in a program that works, sleeps, or computes without a host call.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connect, listen } from '../../../../src/control/index.ts';
import { instantiate } from '../../../../src/index.ts';
import { prepare } from '../../../../src/prepare/index.ts';
import { kernel, returning } from '../../../support/threads/kernel.ts';
import { threadStory } from '../../../support/threads/story.ts';
import { wat } from '../../../support/wat.ts';

const twoAndSpin = `(module (func (export "answer") (result i32) (i32.const 2))
  (func (export "spin") (result i32) (i32.const 7)))`;
const soon = { timeout: 30_000, interval: 5 };

describe('a thread that stays in Wasm', () => {
  // - both add 1 to one counter, without end; apply (the same in another way) and revert, many times; nothing is lost or added
  test('is switched at its host calls, and a shared counter stays exact', async () => {
    await using app = await threadStory(kernel);
    const threads = [await app.thread(), await app.thread()];
    const counts = threads.map((t) => t.call('work'));
    const counter = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
    await expect.poll(() => Atomics.load(counter, 0), soon).toBeGreaterThan(0);
    const same = `(module (func (export "step") (param i32) (result i32) (i32.sub (i32.add (local.get 0) (i32.const 1)) (i32.const 1))))`;
    const patch = await app.patch('same', 'step', same);
    for (let i = 0; i < 10; i += 1) {
      expect(await app.group.apply(patch)).toMatchObject({
        complete: true,
        instances: { done: 2, total: 2 },
      });
      expect(await app.group.revert()).toMatchObject({ complete: true });
    }
    Atomics.store(counter, 1, 1);
    const [one = 0, two = 0] = await Promise.all(counts);
    expect(Atomics.load(counter, 0)).toBe((one + two) | 0);
    expect(app.log().filter((l) => l.endsWith('complete')).length).toBe(20);
  });

  // - asleep in the host, outside of the changed function: woken, switched, put back to sleep
  test('is switched while it sleeps in the host', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const resting = a.call('rest', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    await app.group.apply(await app.patch('two', 'answer', returning('answer', 2)));
    expect(await b.call('answer')).toBe(2);
    app.open(0);
    expect([await resting, await a.call('answer')]).toEqual([0, 2]);
  });

  // - one thread computes without a host call: status and blocking say so, a deadline takes the patch back and says why,
  //   a stall says it; once the thread calls again, it all goes on
  test('is reported where it makes no host call, and the deadline counts for it', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const stop = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
    await expect.poll(async () => (await app.group.status()).programs[0]?.instances.length, soon).toBe(2);
    const spinning = a.call('spin');
    const patch = await app.patch('two', 'answer', returning('answer', 2));
    await expect
      .poll(async () => (await app.group.status()).programs[0]?.busyMs ?? 0, soon)
      .toBeGreaterThan(0);
    const why = expect.stringMatching(
      new RegExp(
        `^thread ${a.id} has made no host call for [0-9.]+s, and can only be switched at one \\(prepared with --attention: at its function calls, too\\)$`,
      ),
    );
    await expect(app.group.apply(patch, { timeoutMs: 150 })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_STALLED',
      details: { done: 0, total: 2, reason: why },
    });
    expect(await app.group.blocking()).toMatchObject([
      { instance: 1, thread: a.id, state: 'unseen', functions: [], busyMs: expect.any(Number) },
    ]);
    expect(await b.call('answer')).toBe(1); // commit waits until all have staged
    const reverted = app.group.revert();
    Atomics.store(stop, 1, 1);
    expect(await reverted).toMatchObject({ complete: true });
    expect(await spinning).toBe(1);

    Atomics.store(stop, 1, 0);
    const again = a.call('spin');
    await expect
      .poll(async () => (await app.group.status()).programs[0]?.busyMs ?? 0, soon)
      .toBeGreaterThan(0);
    const expired = app.group.apply(patch, { deadlineMs: 200 });
    expired.catch(() => {});
    await expect.poll(() => app.log().includes('apply two: expired'), soon).toBe(true);
    Atomics.store(stop, 1, 1);
    await expect(expired).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_EXPIRED',
      details: { reason: why },
    });
    expect(await again).toBe(1);
    expect(await app.group.apply(patch)).toMatchObject({ complete: true });
    expect([await a.call('answer'), await b.call('answer')]).toEqual([2, 2]);
  });

  // - a thread sleeps inside the changed function; force switches it there, and the program is marked in all threads
  test('is switched by force inside a changed function', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const inside = a.call('slow', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    const text = `(module (func (export "slow") (param i32) (result i32) (i32.const 2))
      (func (export "answer") (result i32) (i32.const 2)))`;
    const applying = app.group.apply(await app.patch('two', ['slow', 'answer'], text));
    await expect.poll(() => b.call('answer'), soon).toBe(2);
    await app.group.force();
    expect(await applying).toMatchObject({ complete: true });
    app.open(0);
    expect(await inside).toBe(2); // the old caller met the new callee
    expect((await app.group.status()).programs[0]?.forced).toBe(true);
    await expect(app.group.force()).rejects.toMatchObject({ code: 'WGRAFT_ERR_NO_TRANSITION' });
  });
});

describe('a program that was prepared with attention', () => {
  // - two threads compute without a host call; a patch of the function that they call all the time: both are reached at its entry
  // - revert; then a patch of the loop itself: blocking shows it, with its stack, and it waits until the loop is over
  test('is reached in a compute loop, at its function calls', async () => {
    await using app = await threadStory(kernel, { attention: true });
    const threads = [await app.thread(), await app.thread()];
    const stop = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
    const spinning = threads.map((t) => t.call('spin'));
    const patch = await app.patch('two', 'answer', returning('answer', 2));
    expect(await app.group.apply(patch)).toMatchObject({ complete: true, instances: { done: 2, total: 2 } });
    expect(await app.group.revert()).toMatchObject({ complete: true });
    const applying = app.group.apply(await app.patch('spin', ['answer', 'spin'], twoAndSpin));
    await expect
      .poll(async () => (await app.group.blocking()).map((b) => [b.state, b.functions, b.stack]), soon)
      .toEqual(threads.map(() => ['running', ['spin'], ['spin']]));
    Atomics.store(stop, 1, 1);
    expect(await Promise.all(spinning)).toEqual([1, 1]);
    expect(await applying).toMatchObject({ complete: true });
    expect(await threads[0]?.call('spin')).toBe(7);
  });

  // - the patched function calls the original all the time, while patches of another function come and go
  test('calls of the original are not disturbed', async () => {
    await using app = await threadStory(kernel, { attention: true });
    const thread = await app.thread();
    const stop = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
    const wrapping = `(module (import "original" "answer" (func $original (result i32)))
      (func (export "answer") (result i32) (call $original)))`;
    await app.group.apply(await app.patch('wrapping', 'answer', wrapping));
    const spinning = thread.call('spin');
    const other = await app.patch('other', 'where', returning('where', 3));
    for (let i = 0; i < 10; i += 1) {
      expect(await app.group.apply(other)).toMatchObject({ complete: true });
      expect(await app.group.revert('other')).toMatchObject({ complete: true });
    }
    Atomics.store(stop, 1, 1);
    expect(await spinning).toBe(1);
  });

  test('is refused where the program has a memory of its own, or another engine is wanted', async () => {
    const own = wat('(module (memory 1) (func (export "f")))');
    const refused = { code: 'WGRAFT_ERR_OPTION_INVALID', details: { option: 'attention' } };
    await expect(prepare(own, { attention: true })).rejects.toMatchObject(refused);
    const none = wat('(module (func (export "f")))');
    await expect(prepare(none, { attention: true, engine: 'binaryen' })).rejects.toMatchObject(refused);
    const { bytes } = await prepare(none, { attention: true });
    const { instance } = await instantiate(bytes);
    expect(Object.keys(instance.exports)).toEqual(['f']);
  });
});

describe('the control socket of a group', () => {
  // - a client sees all threads' instances, applies to all and reverts
  test('answers for all threads', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const folder = await mkdtemp(join(tmpdir(), 'wgraft-threads-'));
    try {
      await using server = await listen({ name: 'threads', folder }, app.group);
      await using client = await connect(server.path);
      await client.apply(await app.patch('two', 'answer', returning('answer', 2)));
      expect([await a.call('answer'), await b.call('answer')]).toEqual([2, 2]);
      expect((await client.status()).programs[0]?.instances).toEqual([
        { id: 1, state: -1, thread: a.id },
        { id: 1, state: -1, thread: b.id },
      ]);
      expect(await client.revert('two')).toMatchObject({ complete: true, instances: { done: 2, total: 2 } });
      expect(await client.blocking()).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
