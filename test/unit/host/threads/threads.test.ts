// Threads with one shared memory, each a worker with an instance of one module: whole event logs of what the group does to them.

import { describe, expect, test } from 'vitest';
import { ThreadGroup } from '../../../../src/index.ts';
import { kernel, returning } from '../../../support/threads/kernel.ts';
import { type ThreadStory, threadStory } from '../../../support/threads/story.ts';

const soon = { timeout: 30_000, interval: 5 };

const replaced = (direction: 'apply' | 'revert', universe: number, ...who: string[]): string[] => [
  `${direction} two: initializing`,
  `${direction} two: starting`,
  ...who.map((w) => `${w} -> universe ${universe}`),
  `${direction} two: completing`,
  `${direction} two: complete`,
];

/** Waits until the group has heard this of its instances. */
async function heard(app: ThreadStory, ...lines: string[]): Promise<void> {
  const seen: string[] = [];
  const all = (): string[] => {
    seen.push(...app.log());
    return seen.sort();
  };
  await expect.poll(all, soon).toEqual(lines);
}

describe('a group of threads', () => {
  // - two threads; apply: both answer anew; revert: both answer as before; the log is exact both ways
  test('is patched as one and reverted', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    await heard(app, 't1#1 born', 't2#1 born');
    const patch = await app.patch('two', 'answer', returning('answer', 2));

    const applied = await app.group.apply(patch);
    expect([await a.call('answer'), await b.call('answer')]).toEqual([2, 2]);
    expect(applied).toMatchObject({
      complete: true,
      universe: { from: 0, to: 1 },
      instances: { done: 2, total: 2 },
    });
    expect(app.log()).toEqual(replaced('apply', 1, 't1#1', 't2#1'));
    const { programs } = await app.group.status();
    expect(programs).toMatchObject([
      {
        name: 'app',
        universe: 1,
        instances: [
          { id: 1, state: -1, thread: a.id },
          { id: 1, state: -1, thread: b.id },
        ],
        patches: [{ name: 'two', state: 'applied' }],
      },
    ]);
    await expect(app.group.apply(patch)).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_APPLIED' });

    await app.group.revert('two');
    expect([await a.call('answer'), await b.call('answer')]).toEqual([1, 1]);
    expect(app.log()).toEqual(replaced('revert', 2, 't1#1', 't2#1'));
    await expect(app.group.revert()).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_UNKNOWN' });
  });

  // - applied with one thread; a second one starts: its first answer is the new one
  // - reverted; a third one starts: the old answer, in the same universe as the others
  test('gives a later thread what it has before its program runs', async () => {
    await using app = await threadStory(kernel);
    const a = await app.thread();
    const early = await app.thread({ instance: false });
    await app.group.apply(await app.patch('two', 'answer', returning('answer', 2)));
    const late = await app.thread();
    await early.instantiate();
    expect([await a.call('answer'), await late.call('answer'), await early.call('answer')]).toEqual([
      2, 2, 2,
    ]);
    app.log();
    await app.group.revert();
    expect(app.log().slice(-6)).toEqual(replaced('revert', 2, 't1#1', 't2#1', 't3#1').slice(1));
    const last = await app.thread();
    expect(await last.call('answer')).toBe(1);
    await app.group.apply(await app.patch('two', 'answer', returning('answer', 3)));
    expect(app.log().slice(-6)).toEqual([
      't1#1 -> universe 3',
      't2#1 -> universe 3',
      't3#1 -> universe 3',
      't4#1 -> universe 3',
      'apply two: completing',
      'apply two: complete',
    ]);
  });

  // - one thread waits inside the changed function, the other does not: old and new side by side, blocking names the first
  // - a thread that starts meanwhile has the new one; when the first leaves, it has it too
  test('has both universes side by side while a thread is inside the changed function', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const inside = a.call('slow', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    const text = `(module (import "target" "answer" (func $answer (result i32)))
      (func (export "slow") (param i32) (result i32) (call $answer))
      (func (export "answer") (result i32) (i32.const 2)))`;
    const patch = await app.patch('two', ['slow', 'answer'], text);
    const applying = app.group.apply(patch);
    await expect.poll(() => b.call('answer'), soon).toBe(2);
    const late = await app.thread();
    expect(await late.call('slow', 1)).toBe(2);
    await expect
      .poll(() => app.group.blocking(), soon)
      .toMatchObject([{ program: 'app', instance: 1, thread: a.id, state: 'running', functions: ['slow'] }]);
    const states = (await app.group.status()).programs[0]?.instances;
    expect(states?.map((i) => [i.thread, i.state])).toEqual([
      [a.id, 0],
      [b.id, 1],
      [late.id, 1],
    ]);
    app.open(0);
    expect(await inside).toBe(1); // the activation ends in the universe in which it began
    expect(await applying).toMatchObject({ complete: true, instances: { done: 3, total: 3 } });
    expect(await a.call('answer')).toBe(2);
    expect(app.log().slice(2)).toEqual([
      'apply two: initializing',
      'apply two: starting',
      't1#1 -> universe 1',
      't2#1 -> universe 1',
      't3#1 born',
      'apply two: completing',
      'apply two: complete',
    ]);
  });

  // - a thread waits in the changed function; the transition is turned round: the other goes back, the first never switched
  test('goes back while a transition runs', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const inside = a.call('slow', 0);
    await expect.poll(() => app.arrivals(0), soon).toBe(1);
    const text = `(module (func (export "slow") (param i32) (result i32) (i32.const 2))
      (func (export "answer") (result i32) (i32.const 2)))`;
    const applying = app.group.apply(await app.patch('two', ['slow', 'answer'], text));
    await expect.poll(() => b.call('answer'), soon).toBe(2);
    expect(await app.group.revert()).toMatchObject({ complete: true, direction: 'revert' });
    expect(await applying).toMatchObject({ complete: false });
    app.open(0);
    expect([await inside, await a.call('answer'), await b.call('answer')]).toEqual([1, 1, 1]);
    expect(app.log().slice(2)).toEqual([
      'apply two: initializing',
      'apply two: starting',
      't2#1 -> universe 1',
      'apply two: reversing',
      't2#1 -> universe 2',
      'revert two: completing',
      'revert two: complete',
    ]);
  });

  // - the only thread in the way ends: the transition completes; a thread that ends before it has looked is not waited for
  test('does not wait for a thread that has ended', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread()];
    const inside = a.call('slow', 0).catch(() => 'ended');
    const deaf = b.call('waitDeaf', 1).catch(() => 'ended');
    await expect.poll(() => app.arrivals(0) + app.arrivals(1), soon).toBe(2);
    const c = await app.thread();
    const text = `(module (func (export "slow") (param i32) (result i32) (i32.const 2))
      (func (export "answer") (result i32) (i32.const 2)))`;
    const applying = app.group.apply(await app.patch('two', ['slow', 'answer'], text));
    await expect.poll(async () => (await app.group.blocking()).length, soon).toBe(1); // nobody stages alone
    await b.end();
    await expect.poll(() => c.call('answer'), soon).toBe(2);
    await a.end();
    expect(await applying).toMatchObject({ complete: true, instances: { done: 1, total: 1 } });
    expect([await inside, await deaf]).toEqual(['ended', 'ended']);
    expect(app.log().slice(3)).toEqual([
      'apply two: initializing',
      't2#1 gone',
      'apply two: starting',
      't1#1 gone',
      't3#1 -> universe 1',
      'apply two: completing',
      'apply two: complete',
    ]);
  });

  // - the patch wants a host function that one thread does not have: refused there, and nothing of it is left anywhere
  test('refuses a patch for all when it cannot be staged in one', async () => {
    await using app = await threadStory(kernel);
    const [a, b] = [await app.thread(), await app.thread({ extra: false })];
    await heard(app, 't1#1 born', 't2#1 born');
    const text = `(module (import "env" "extra" (func $extra (result i32)))
      (func (export "answer") (result i32) (call $extra)))`;
    const patch = await app.patch('two', 'answer', text);
    await expect(app.group.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_STAGE_FAILED',
      details: { patch: 'two', reason: 'nothing resolves its import "target" "env.extra"' },
    });
    expect([await a.call('answer'), await b.call('answer')]).toEqual([1, 1]);
    expect(app.log()).toEqual(['apply two: initializing', 'apply two: reversing', 'apply two: cancelled']);
    expect((await app.group.status()).programs[0]?.patches).toEqual([]);
    await b.end();
    expect(await app.group.apply(patch)).toMatchObject({ complete: true });
    expect(await a.call('answer')).toBe(5);
  });

  // - pre_patch refuses in one thread only: the other's is undone by post_unpatch
  test('runs callbacks in each thread, post_patch when all have switched', async () => {
    await using app = await threadStory(kernel);
    const [a] = [await app.thread(), await app.thread()];
    await heard(app, 't1#1 born', 't2#1 born');
    const text = `(module (import "target" "memory" (memory 2 16 shared))
      (func (export "answer") (result i32) (i32.const 2))
      (func (export "__wgraft_pre_patch") (result i32) (i32.eq (i32.atomic.rmw.add (i32.const 64) (i32.const 1)) (i32.const 1)))
      (func (export "__wgraft_post_patch")) (func (export "__wgraft_pre_unpatch")) (func (export "__wgraft_post_unpatch")))`;
    const patch = await app.patch('two', 'answer', text);
    await expect(app.group.apply(patch)).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_REFUSED' });
    const refused = app.log();
    expect(refused.filter((l) => l.includes('prePatch')).map((l) => l.slice(5))).toEqual(
      expect.arrayContaining(['two: prePatch done', 'two: prePatch refused']),
    );
    expect(refused.filter((l) => l.includes('postUnpatch')).length).toBe(1);
    expect(refused.at(-1)).toBe('apply two: cancelled');
    expect(await a.call('answer')).toBe(1);
    await app.group.apply(patch); // the counter has gone on
    expect(app.log()).toEqual([
      'apply two: initializing',
      't1#1 two: prePatch done',
      't2#1 two: prePatch done',
      'apply two: starting',
      't1#1 -> universe 3',
      't2#1 -> universe 3',
      'apply two: completing',
      't1#1 two: postPatch done',
      't2#1 two: postPatch done',
      'apply two: complete',
    ]);
  });

  test('has room for as many threads as it was given', () => {
    const group = new ThreadGroup({ maxThreads: 2 });
    group.invite();
    group.invite();
    expect(() => group.invite()).toThrow('the group has 2 threads already');
  });
});
