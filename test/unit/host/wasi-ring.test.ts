// The ring that carries standard input to the worker, and the feed that fills it.

import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bell } from '../../../src/host/bell.ts';
import { Ring } from '../../../src/host/wasi/ring.ts';
import { StdinFeed } from '../../../src/host/wasi/stdin-feed.ts';

/** Bound and pace of waiting; the machine may be busy. */
const soon = { timeout: 30_000, interval: 5 };

test('whatever is written in whatever pieces is read in order, and never more than there is room for', () => {
  const step = fc.oneof(
    fc.record({ write: fc.uint8Array({ maxLength: 40 }) }),
    fc.record({ read: fc.integer({ min: 0, max: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ring = Ring.create(16);
      const reader = new Ring(ring.buffer);
      const given: number[] = [];
      const got: number[] = [];
      for (const s of steps) {
        if ('write' in s) given.push(...s.write.subarray(0, ring.write(s.write)));
        else {
          const target = new Uint8Array(s.read);
          got.push(...target.subarray(0, reader.read(target).count));
        }
        expect(reader.available).toBe(given.length - got.length);
        expect(reader.available).toBeLessThanOrEqual(16);
      }
      expect(got).toEqual(given.slice(0, got.length));
    }),
  );
});

test('the byte counts may wrap around 2^32', () => {
  const ring = Ring.create(16);
  new Int32Array(ring.buffer, 0, 2).fill(-5); // 2^32 - 5 bytes have passed
  expect(ring.write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))).toBe(10);
  expect(ring.available).toBe(10);
  const target = new Uint8Array(16);
  expect(ring.read(target).count).toBe(10);
  expect([...target.subarray(0, 10)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(ring.available).toBe(0);
});

test('a writer that asks for room is told once half of the ring is free', () => {
  const ring = Ring.create(16);
  expect(ring.write(new Uint8Array(20))).toBe(16);
  expect(ring.awaitRoom()).toBe(true);
  expect(ring.read(new Uint8Array(7))).toEqual({ count: 7, roomMade: false });
  expect(ring.read(new Uint8Array(1))).toEqual({ count: 1, roomMade: true });
  expect(ring.read(new Uint8Array(1))).toEqual({ count: 1, roomMade: false });
  expect(ring.awaitRoom()).toBe(false);
});

test('the feed reads nothing before it is asked, stops at a full ring, and loses no byte', async () => {
  const source = new PassThrough({ highWaterMark: 64 });
  const ring = Ring.create(256);
  const feed = new StdinFeed(() => source, ring, new Bell());
  const given = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7) % 251);

  source.write(given.subarray(0, 64));
  await turn();
  expect(ring.available).toBe(0);

  feed.wanted();
  for (let at = 64; at < 1000; at += 100) source.write(given.subarray(at, at + 100));
  await expect.poll(() => ring.available, soon).toBe(256);
  expect(source.isPaused()).toBe(true);
  source.end(given.subarray(1064));

  const got: number[] = [];
  const target = new Uint8Array(37);
  while (ring.state === 'open' || ring.available > 0) {
    const { count, roomMade } = ring.read(target);
    got.push(...target.subarray(0, count));
    if (roomMade) feed.wanted();
    if (count === 0) await turn();
  }
  expect(got).toEqual([...given]);
  expect(ring.state).toBe('ended');
});

test('an error of the stream ends the input after what came before it', async () => {
  const source = new PassThrough();
  const ring = Ring.create(256);
  new StdinFeed(() => source, ring, new Bell()).wanted();
  source.write('abc');
  await once(source, 'resume');
  await expect.poll(() => ring.available, soon).toBe(3);
  source.destroy(new Error('cable cut'));
  await expect.poll(() => ring.state, soon).toBe('failed');
  expect(ring.available).toBe(3);
});
