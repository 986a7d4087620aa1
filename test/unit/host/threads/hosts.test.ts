// The two ways in which programs get their threads: wasi-threads (each thread a new instance, made for its start function) and
// Emscripten's pool (workers that wait, and get module and memory by postMessage).

import { expect, test } from 'vitest';
import { kernel, placed, returning, withPlaces } from '../../../support/threads/kernel.ts';
import { type TestThread, threadStory } from '../../../support/threads/story.ts';

const soon = { timeout: 30_000, interval: 5 };

// - the main thread of the program spawns: the host makes a worker with an instance, whose start function answers into memory
// - patched while no other thread lives; the next one that is spawned answers the new one from its start on
test('wasi-threads: a thread that is spawned later starts patched', async () => {
  await using app = await threadStory(kernel);
  const main = await app.thread();
  const memory = new Int32Array(app.memory.buffer as unknown as SharedArrayBuffer);
  const spawn = async (arg: number): Promise<void> => {
    expect(await main.call('spawn', arg)).toBe(1);
    await expect.poll(() => app.spawned.splice(0), soon).toEqual([arg]);
    const thread = await app.thread();
    await thread.call('wasi_thread_start', thread.id, arg);
    await thread.end();
  };
  await spawn(256);
  expect(memory[64]).toBe(1);
  await app.group.apply(await app.patch('two', 'answer', returning('answer', 2)));
  await spawn(256);
  expect(memory[64]).toBe(1 + 2);
  await app.group.revert();
  await spawn(256);
  expect(memory[64]).toBe(1 + 2 + 1);
});

// - a pool of three workers, two with the program; a patch puts a new function in all tables; one thread publishes its address
// - all call through it, and so does the third, which gets the program only then
test('Emscripten pool: function pointers in shared memory work in all workers', async () => {
  await using app = await threadStory(kernel);
  const pool: TestThread[] = [];
  for (let i = 0; i < 3; i += 1) pool.push(await app.thread({ instance: false }));
  const [a, b, c] = pool;
  if (a === undefined || b === undefined || c === undefined) throw new Error('a pool of three');
  await Promise.all([a.instantiate(), b.instantiate()]);
  await a.call('publish');
  expect(await b.call('through', 7)).toBe(7);
  await app.group.apply(await app.patch('places', placed, withPlaces));
  expect(await b.call('through', 7)).toBe(7); // published before: still step
  await b.call('publish');
  await c.instantiate();
  for (const thread of pool) expect(await thread.call('through', 7)).toBe(21);
});

// - a worker gets the program in the middle of a transition that waits for another one: born with the patch, at its addresses;
//   one that had it and ends in the middle is not waited for
test('a worker that starts in the middle of a transition is born patched, with the same addresses', async () => {
  await using app = await threadStory(kernel);
  const [a, b] = [await app.thread(), await app.thread()];
  const late = await app.thread({ instance: false });
  const inside = a.call('slow', 0).catch(() => 'ended');
  await expect.poll(() => app.arrivals(0), soon).toBe(1);
  const applying = app.group.apply(await app.patch('places', placed, withPlaces));
  await expect.poll(() => b.call('where'), soon).toBe(131072);
  await late.instantiate();
  const last = await app.thread();
  const places = async (t: TestThread): Promise<number[]> => [
    await t.call('where'),
    await t.call('pointer'),
    await t.call('slow', 0),
  ];
  expect(await places(late)).toEqual(await places(b));
  expect(await places(last)).toEqual(await places(b));
  expect((await app.group.status()).programs[0]?.transition?.phase).toBe('committing');
  await a.end();
  expect(await applying).toMatchObject({ complete: true, instances: { done: 3, total: 3 } });
  expect(await inside).toBe('ended');
  await app.group.revert();
  for (const t of [b, late, last]) expect(await t.call('where')).toBe(0);
});

// - a busy thread keeps all from being staged; a worker starts meanwhile: born without the patch, staged and switched with the others
test('a worker that starts while a patch is staged waits for the others too', async () => {
  await using app = await threadStory(kernel);
  const a = await app.thread();
  await expect.poll(async () => (await app.group.status()).programs[0]?.instances.length, soon).toBe(1);
  const deaf = a.call('waitDeaf', 1);
  await expect.poll(() => app.arrivals(1), soon).toBe(1);
  const applying = app.group.apply(await app.patch('places', placed, withPlaces));
  const late = await app.thread();
  expect([await late.call('answer'), await late.call('where')]).toEqual([1, 0]);
  app.open(1);
  expect(await applying).toMatchObject({ complete: true, instances: { done: 2, total: 2 } });
  await deaf;
  expect([await late.call('where'), await a.call('where')]).toEqual([131072, 131072]);
});
