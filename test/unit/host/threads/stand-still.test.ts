// Rounds in which all threads stand still, seen from one of them, with the others' words on the board as they may come.

import { expect, test } from 'vitest';
import { buildPatch } from '../../../../src/build/index.ts';
import { Board } from '../../../../src/host/threads/board.ts';
import { CarryOut } from '../../../../src/host/threads/carry-out.ts';
import type { FromThread, Order } from '../../../../src/host/threads/protocol.ts';
import { StandStill } from '../../../../src/host/threads/stand-still.ts';
import { readPatch } from '../../../../src/patch/index.ts';
import { prepare } from '../../../../src/prepare/index.ts';
import { Patcher } from '../../../../src/runtime/index.ts';
import { returning } from '../../../support/threads/kernel.ts';
import { wat } from '../../../support/wat.ts';

const all = (): boolean => true;

function twoRows(): { board: Board; group: StandStill; threads: [StandStill, StandStill] } {
  const board = Board.create(2);
  board.enter(0);
  board.enter(1);
  return { board, group: new StandStill(board), threads: [new StandStill(board), new StandStill(board)] };
}

// - whoever voted first and said no after it would be taken for willing in between
test('a thread that is in the way never looks as if it had come', () => {
  const { board, group, threads } = twoRows();
  group.open();
  threads[0].refuse(group.number);
  expect([board.voteOf(0), group.state]).toEqual([0, 'retry']);
  expect(threads[1].join(1, group.number, all)).toBe(false);
});

// - it slept, the others decided, and the next round was opened before it woke up
test('a thread that wakes up late hears how its own round ended', () => {
  const { board, group, threads } = twoRows();
  const [early, late] = threads;
  group.open();
  const round = group.number;
  board.vote(1, round); // the late one, which sleeps from here on
  expect(early.join(0, round, all)).toBe(true);
  group.close();
  group.open();
  expect(late.join(1, round, all)).toBe(true);
  expect(late.join(1, group.number, (row) => row === 1)).toBe(true);
});

test('a round that failed stays so for those who wake up late', () => {
  const { group, threads } = twoRows();
  group.open();
  const round = group.number;
  threads[0].refuse(round);
  group.close();
  group.open();
  expect(threads[1].join(1, round, all)).toBe(false);
});

// - all have staged the patch; then the group turns round, and opens a round for the way back
// - the thread has not read its messages: what it still wants to switch is not what that round is about
test('a round of an order that the thread has not taken yet is not joined', async () => {
  const kernel = wat('(module (func (export "slow") (result i32) (i32.const 1)))');
  const { bytes: target } = await prepare(kernel, { slots: 'all' });
  const source = { kind: 'wat', text: returning('slow', 2), file: 'slow.wat' } as const;
  const { bytes } = await buildPatch({
    target,
    replacements: [{ function: 'slow', source }],
    name: 'two',
  });
  const { id, manifest } = readPatch(bytes);
  const patcher = new Patcher();
  const module = await WebAssembly.compile(target);
  const instance = await WebAssembly.instantiate(module);
  patcher.adopt(instance, module);
  const order: Order = {
    number: 1,
    direction: 'apply',
    buildId: manifest.target.buildId,
    patch: { id, bytes },
    model: 'stop-machine',
    universe: 1,
    places: { patches: {}, functions: [] },
  };
  const board = Board.create(1);
  const said: FromThread['type'][] = [];
  const thread = new CarryOut(patcher, board, 0, ({ type }) => said.push(type));
  board.give(order.number, true);
  thread.join(order);
  patcher.pump();
  expect(board.hasReached(order.number, 2)).toBe(true);

  const group = new StandStill(board);
  board.give(2, false);
  group.open();
  patcher.pump();
  expect([board.voteOf(0), group.state]).toEqual([0, 'open']);
  expect((instance.exports['slow'] as () => number)()).toBe(1);

  thread.take({ ...order, number: 2, direction: 'revert', universe: 2 });
  patcher.pump();
  expect(board.hasReached(2, 3)).toBe(true); // nothing was switched, so nothing is to be
  expect((instance.exports['slow'] as () => number)()).toBe(1);
});
