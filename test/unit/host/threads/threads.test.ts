// Threads with one shared memory, each a worker with an instance of one module: whole event logs of what the group does to them.

import { describe, expect, test } from 'vitest';
import { kernel, returning } from '../../../support/threads/kernel.ts';
import { threadStory } from '../../../support/threads/story.ts';

const soon = { timeout: 30_000, interval: 5 };

describe('a group of threads', () => {
  // - two threads; apply: both answer anew; revert: both answer as before; the log is exact both ways
  test('is patched as one and reverted', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    await expect.poll(() => app.log(), soon).toEqual(['t1#1 born', 't2#1 born']);
    const patch = await app.patch('two', 'answer', returning('answer', 2));

    const applied = await app.group.apply(patch);
    expect([await a.call('answer'), await b.call('answer')]).toEqual([2, 2]);
    expect(applied).toMatchObject({
      complete: true,
      universe: { from: 0, to: 1 },
      instances: { done: 2, total: 2 },
    });
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      't1#1 -> universe 1',
      't2#1 -> universe 1',
      'apply two: completing',
      'apply two: complete',
    ]);

    await app.group.revert('two');
    expect([await a.call('answer'), await b.call('answer')]).toEqual([1, 1]);
    expect(app.log()).toEqual([
      'revert two: initializing',
      'revert two: starting',
      't1#1 -> universe 2',
      't2#1 -> universe 2',
      'revert two: completing',
      'revert two: complete',
    ]);
  });
});
