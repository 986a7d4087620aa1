// Models that switch all threads at once: they stand still, all stacks are looked at, then all switch or none.

import { describe, expect, test } from 'vitest';
import { kernel, returning } from '../../../support/threads/kernel.ts';
import { type TestThread, type ThreadStory, threadStory } from '../../../support/threads/story.ts';

const soon = { timeout: 30_000, interval: 5 };
const slowTwo = returning('slow', 2, '(param i32)');

async function twoThreads(app: ThreadStory): Promise<[TestThread, TestThread]> {
  const threads: [TestThread, TestThread] = [await app.thread(), await app.thread()];
  await expect.poll(async () => (await app.group.status()).programs[0]?.instances.length, soon).toBe(2);
  app.log();
  return threads;
}

describe('stop-machine', () => {
  // - one thread works without end, one idles: both stand still and switch in one round
  // - the counter is exact: `step` adds 1 before and 1000 after, and after all stood still nobody adds 1 any more
  test('switches all threads while they stand still', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = await twoThreads(app);
    const counts = [a.call('work'), b.call('work')];
    const counter = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
    const patch = await app.patch('two', 'step', returning('step', 1000, '(param i32)'));
    expect(await app.group.apply(patch, { model: 'stop-machine', retryMs: 10 })).toMatchObject({
      complete: true,
    });
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      't1#1 -> universe 1',
      't2#1 -> universe 1',
      'apply two: completing',
      'apply two: complete',
    ]);
    const before = Atomics.load(counter, 0);
    await expect.poll(() => Atomics.load(counter, 0), soon).not.toBe(before);
    expect((Atomics.load(counter, 0) - before) % 1000).toBe(0);
    await app.group.revert(undefined, { model: 'checkpoint', retryMs: 10, wait: false });
    Atomics.store(counter, 1, 1); // only when nothing of the kernel runs can a checkpoint be taken
    await Promise.all(counts);
    await expect.poll(() => app.log().at(-1), soon).toBe('revert two: complete');
  });

  // - one thread sleeps in the changed function: five tries, then it is given up, with the thread that was in the way
  // - the other one was never switched; once the first is out of it, it works
  test('is given up when a thread is in the way each time', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = await twoThreads(app);
    const inside = a.call('slow', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    const patch = await app.patch('two', 'slow', slowTwo);
    await expect(app.group.apply(patch, { model: 'stop-machine', retryMs: 5 })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_CONFLICTS',
      details: { attempts: 5, conflicts: [{ instance: 1, functions: ['slow'], thread: a.id }] },
      message:
        'patch "two" could not switch all instances at once in 5 attempts: ' +
        `instance 1 of thread ${a.id} ran slow`,
    });
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      'apply two: reversing',
      'revert two: completing',
      'revert two: complete',
    ]);
    app.open(0);
    expect([await inside, await b.call('slow', 0)]).toEqual([1, 1]);
    expect(await app.group.apply(patch, { model: 'stop-machine', retryMs: 5 })).toMatchObject({
      complete: true,
    });
    expect([await a.call('slow', 1), await b.call('slow', 1)]).toEqual([2, 2]);
  });

  // - tries fail while one thread is in the changed function; then another one goes deaf, and the first leaves
  // - the last try fails since the other one does not come, and the error names it; nobody was switched
  test('is given up when a thread does not come', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = await twoThreads(app);
    const inside = b.call('slow', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    const applying = app.group.apply(await app.patch('two', 'slow', slowTwo), {
      model: 'stop-machine',
      retryMs: 600,
    });
    applying.catch(() => {});
    await expect
      .poll(() => app.group.blocking(), soon)
      .toMatchObject([{ thread: b.id, functions: ['slow'] }]);
    const deaf = a.call('waitDeaf', 1);
    await expect.poll(() => app.arrivals(1), soon).toBe(1);
    app.open(0);
    expect(await inside).toBe(1);
    await expect.poll(() => app.log().includes('apply two: reversing'), soon).toBe(true);
    app.open(1);
    await expect(applying).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_CONFLICTS',
      details: { conflicts: [{ instance: 1, functions: [], thread: a.id }] },
    });
    expect([await deaf, await b.call('slow', 1)]).toEqual([1, 1]);
  });
});
