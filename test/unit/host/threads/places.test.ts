// A patch's data and function addresses are the same in all threads: pointers to them travel through the shared memory.

import { expect, test } from 'vitest';
import { kernel, placed, withPlaces } from '../../../support/threads/kernel.ts';
import { threadStory } from '../../../support/threads/story.ts';

const soon = { timeout: 30_000, interval: 5 };

// - tables of different length; apply: data, own function and the program's hidden function have one address in all threads
// - the data is written once: all count in it; a pointer that one publishes is called by all; a later thread has the same
// - revert and apply again: the same data address, its data written anew; a thread born after that has the same
test('data and function addresses agree in all threads, and in those to come', async () => {
  await using app = await threadStory(kernel);
  const [a, b] = [await app.thread(), await app.thread()];
  await b.call('grow', 7);
  const patch = await app.patch('places', placed, withPlaces);
  await app.group.apply(patch);

  const places = async (t: typeof a): Promise<number[]> => [
    await t.call('where'),
    await t.call('pointer'),
    await t.call('slow', 0),
  ];
  expect(await places(a)).toEqual([131072, 10, 11]);
  expect(await places(b)).toEqual([131072, 10, 11]);
  expect([await a.table(), await b.table()]).toEqual([12, 12]);
  const late = await app.thread();
  expect(await places(late)).toEqual([131072, 10, 11]);
  expect(app.memory.buffer.byteLength).toBe(3 * 65536);
  const counted = [await a.call('answer'), await b.call('answer'), await late.call('answer')];
  expect(counted).toEqual([101, 102, 103]);

  await a.call('publish');
  expect([await b.call('through', 5), await late.call('through', 5)]).toEqual([15, 15]);

  await app.group.revert();
  expect(await a.call('pointer')).toBe(1);
  expect(await b.call('through', 5)).toBe(15); // a pointer that the program kept stays valid
  await late.call('grow', 1); // above what the patch has
  await app.group.apply(patch);
  const last = await app.thread();
  for (const t of [a, b, late, last]) expect(await places(t)).toEqual([131072, 10, 11]);
  expect(app.memory.buffer.byteLength).toBe(3 * 65536);
  expect([await last.call('answer'), await a.call('answer')]).toEqual([101, 102]);
});

// - two patches; the first is reverted before a third thread starts: the function that it put in the table stays where it is
test('a later thread has the addresses of patches that came after others went', async () => {
  await using app = await threadStory(kernel);
  const a = await app.thread();
  const asks = `(module (import "GOT.func" "hidden" (global $hidden (mut i32)))
    (func (export "slow") (param i32) (result i32) (global.get $hidden)))`;
  await app.group.apply(await app.patch('first', 'slow', asks));
  const address = await a.call('slow', 0);
  await app.group.revert();
  await a.call('grow', 3);
  await app.group.apply(await app.patch('second', 'slow', asks));
  const late = await app.thread();
  expect([await a.call('slow', 0), await late.call('slow', 0)]).toEqual([address, address]);
});

// - the thread that writes the data is busy elsewhere first; who comes first writes, the others only use the address
test('only one of many threads writes the data', async () => {
  await using app = await threadStory(kernel);
  const threads = [await app.thread(), await app.thread(), await app.thread(), await app.thread()];
  const resting = threads.slice(0, 2).map((t, i) => t.call('rest', i));
  await expect.poll(() => app.arrivals(0) + app.arrivals(1), soon).toBe(2);
  await app.group.apply(await app.patch('places', placed, withPlaces));
  app.open(0);
  app.open(1);
  await Promise.all(resting);
  const answers = [];
  for (const t of threads) answers.push(await t.call('answer'), await t.call('where'));
  expect(answers).toEqual([101, 131072, 102, 131072, 103, 131072, 104, 131072]);
});
