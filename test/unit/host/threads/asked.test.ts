// A group asks a thread once how it is, and not again before it is told: whatever the thread does when the question comes,
// it must not be lost.

import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Board } from '../../../../src/host/threads/board.ts';
import { joinGroup } from '../../../../src/host/threads/index.ts';
import type { FromThread, ToThread } from '../../../../src/host/threads/protocol.ts';

// - the group has asked before the thread joins: joining reads the question with all that waits, and it is answered
// - it asks again
test('a thread answers what it was asked before it joined', async () => {
  const board = Board.create(1).words.buffer as SharedArrayBuffer;
  const { port1, port2 } = new MessageChannel();
  const said: FromThread[] = [];
  port1.on('message', (report: FromThread) => said.push(report));
  const answers = (): number => said.filter((r) => r.type === 'mirror' && r.isAnswer).length;
  const post = (message: ToThread): void => port1.postMessage(message);
  try {
    post({ type: 'welcome', state: { programs: {}, order: undefined }, board, row: 0 });
    post({ type: 'look' });
    joinGroup({ port: port2, board, row: 0 });
    await expect.poll(answers).toBe(1);
    post({ type: 'look' });
    await expect.poll(answers).toBe(2);
    expect(said.map((r) => r.type)).toEqual(['joined', 'mirror', 'mirror']);
  } finally {
    port1.close();
  }
});
