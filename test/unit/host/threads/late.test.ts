// What threads that come late meet: a group whose order is over, or not, when a program gets its first instance in them.

import { expect, test } from 'vitest';
import { Board } from '../../../../src/host/threads/board.ts';
import { CarryOut } from '../../../../src/host/threads/carry-out.ts';
import type { FromThread, Order } from '../../../../src/host/threads/protocol.ts';
import { Patcher } from '../../../../src/runtime/index.ts';

const order: Order = {
  number: 1,
  direction: 'apply',
  buildId: 'b1',
  patch: { id: 'p1', bytes: new Uint8Array() },
  model: 'hybrid',
  universe: 1,
  places: { patches: {}, functions: [] },
};

function lateThread(): { board: Board; thread: CarryOut; said: FromThread['type'][] } {
  const board = Board.create(2);
  const said: FromThread['type'][] = [];
  board.enter(0); // another thread, through with everything
  board.give(order.number, true);
  const thread = new CarryOut(new Patcher(), board, 1, ({ type }) => said.push(type));
  thread.join(order);
  board.report(0, order.number, 4);
  return { board, thread, said };
}

// - it does not run the program, and holds up nobody; it is to run it: nobody gets through before it
test('an order that is not over waits for a thread that begins to run the program', () => {
  const { board, thread, said } = lateThread();
  expect(said).toEqual(['reached']);
  expect(board.hasReached(order.number, 3)).toBe(true);
  expect(thread.enterInto('another')).toBe(true);
  expect(thread.enterInto('b1')).toBe(true);
  expect(board.hasReached(order.number, 4)).toBe(false);
  board.leave(1); // it dies there
  expect(board.hasReached(order.number, 4)).toBe(true);
});

// - all are through: it cannot join in any more, before it has heard what they have now
test('an order that is over is not joined any more', () => {
  const { board, thread } = lateThread();
  expect(board.hasReached(order.number, 4)).toBe(true);
  expect(thread.enterInto('b1')).toBe(false);
  thread.settled();
  expect(thread.enterInto('b1')).toBe(true);
});

// - the group has given the next order before this thread has heard of the last
test('nor is one that another has followed', () => {
  const { board, thread } = lateThread();
  board.give(2, true);
  expect(thread.enterInto('b1')).toBe(false);
  expect(board.hasReached(2, 1)).toBe(false); // the new one waits for it
});
