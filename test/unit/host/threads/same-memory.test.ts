// Two objects for one shared memory, as two threads get them from a third.

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { isSameMemory } from '../../../../src/host/threads/index.ts';

function memory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: 4, shared: true });
}

function posted(of: WebAssembly.Memory): WebAssembly.Memory {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(of);
  const received: unknown = receiveMessageOnPort(port2)?.message;
  port1.close();
  if (!(received instanceof WebAssembly.Memory)) throw new Error('no memory came');
  return received;
}

// - the same, posted, also after it has grown; never another one; nothing of it is written, and nobody waits there afterwards
test('are known as the same, and no others', () => {
  const [one, other] = [memory(1), memory(1)];
  const [first, second] = [posted(one), posted(one)];
  expect(first).not.toBe(second);
  expect(isSameMemory(first, second)).toBe(true);
  second.grow(1);
  expect([isSameMemory(first, second), isSameMemory(one, posted(second))]).toEqual([true, true]);
  for (let i = 0; i < 3; i += 1) expect(isSameMemory(first, other)).toBe(false);
  expect(isSameMemory(other, posted(other))).toBe(true);
  const words = new Int32Array(one.buffer as unknown as SharedArrayBuffer);
  expect(words.every((word) => word === 0)).toBe(true);
  expect(words.reduce((woken, _, at) => woken + Atomics.notify(words, at), 0)).toBe(0);
});

test('one that is too small to look at is nobody else’s', () => {
  const small = memory(0);
  expect([isSameMemory(small, posted(small)), isSameMemory(small, memory(1))]).toEqual([false, false]);
});
