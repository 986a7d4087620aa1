// What the threads of a group must know of each other without an event loop: words in shared memory. The group gives orders, by
// number; each thread has a row, and writes there how far it is with the order.
//
//   header  0 order      number of the last order
//           1 phase      how far all threads are with it (low 3 bits), and a count of what makes an earlier look at the rows void
//           2 round      see stand-still.ts
//           3 claim      row + 1 of the thread that writes the patch's data
//           4 placed     1: it has, and word 5 holds the address
//           5 memoryBase
//           6 tableTop   length of the longest table
//           7 rows       how many rows were ever in use
//           8 switched   number of the last round before this one that ended in a switch
//   row     0 live   1 order   2 stage   3 vote   4-6 its Bell   7 -
//
//   stage / phase   0 nothing is known   1 its tables are measured   2 staged   3 switched   4 over, or not concerned
//
// Phase n means: all live threads are at stage n. Whoever finds that so moves the phase, with a compare-and-exchange; since orders
// and threads that step back change the count in the same word, it fails if any did after the rows were read.
// No thread ever waits here for another, so one that dies leaves nothing locked.

import { Bell } from '../bell.ts';

export type Stage = 0 | 1 | 2 | 3 | 4;

export const header = {
  order: 0,
  phase: 1,
  round: 2,
  claim: 3,
  placed: 4,
  memoryBase: 5,
  tableTop: 6,
  rows: 7,
  switched: 8,
} as const;
const row = { live: 0, order: 1, stage: 2, vote: 3, bell: 4 } as const;

const headerWords = 16;
const rowWords = 8;
/** Of a thread that is new, and has taken none. */
const noOrder = -1;
const phaseMask = 7;
const countStep = 8;

export class Board {
  readonly words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  static create(rows: number): Board {
    return new Board(new SharedArrayBuffer((headerWords + rows * rowWords) * 4));
  }

  get capacity(): number {
    return (this.words.length - headerWords) / rowWords;
  }

  get order(): number {
    return this.#load(header.order);
  }

  get phase(): number {
    return this.#load(header.phase) & phaseMask;
  }

  /** Group: gives an order. A `fresh` one is not the reversal of the last: places are to be found anew. */
  give(order: number, fresh: boolean): void {
    if (fresh) for (const word of [header.claim, header.placed, header.tableTop]) this.#store(word, 0);
    this.#store(header.order, order); // before the phase: see `hasReached`
    for (;;) {
      const now = this.#load(header.phase);
      const next = ((now & ~phaseMask) + countStep) | 0;
      if (Atomics.compareExchange(this.words, header.phase, now, next) === now) return;
    }
  }

  bell(index: number): Bell {
    return new Bell(this.words.buffer, (headerWords + index * rowWords + row.bell) * 4);
  }

  /** A thread's row counts from now on: it is waited for until it has taken the order that runs. */
  enter(index: number): void {
    this.report(index, noOrder, 4);
    for (;;) {
      const rows = this.#load(header.rows);
      if (rows > index || Atomics.compareExchange(this.words, header.rows, rows, index + 1) === rows) break;
    }
    this.#store(at(index, row.live), 1);
  }

  /** Group: a thread has ended. What it claimed and did not finish can be claimed by another. */
  leave(index: number): void {
    this.#store(at(index, row.live), 0);
    if (this.#load(header.placed) === 0) Atomics.compareExchange(this.words, header.claim, index + 1, 0);
  }

  /** A thread says how far it is; further back than before, where an instance is to be born. */
  report(index: number, order: number, stage: Stage): void {
    const isBack = this.stageOf(index, order) > stage;
    this.#store(at(index, row.stage), stage);
    this.#store(at(index, row.order), order);
    if (isBack) Atomics.add(this.words, header.phase, countStep);
  }

  /** How far a thread is with an order. */
  stageOf(index: number, order: number): Stage {
    return this.#load(at(index, row.order)) === order ? (this.#load(at(index, row.stage)) as Stage) : 0;
  }

  /** Are all threads at this stage of the order? Moves the phase where they are. */
  hasReached(order: number, stage: Stage): boolean {
    for (;;) {
      const now = this.#load(header.phase);
      if (this.order !== order) return false; // what was read belongs to another order
      const phase = now & phaseMask;
      if (phase >= stage) return true;
      if (!this.live.every((index) => this.stageOf(index, order) > phase)) return false;
      Atomics.compareExchange(this.words, header.phase, now, now + 1);
    }
  }

  /** All threads are through with this order: it can no longer be joined. */
  isOver(order: number): boolean {
    return this.order !== order || this.phase === 4;
  }

  /** Rows of the threads that live. */
  get live(): number[] {
    return Array.from({ length: this.#load(header.rows) }, (_, index) => index).filter(
      (index) => this.#load(at(index, row.live)) === 1,
    );
  }

  /** Before stage 1. */
  measure(length: number): void {
    for (;;) {
      const top = this.#load(header.tableTop);
      if (top >= length || Atomics.compareExchange(this.words, header.tableTop, top, length) === top) return;
    }
  }

  /** From stage 1 on it stays what it is. */
  get tableTop(): number {
    return this.#load(header.tableTop);
  }

  /** Who writes the patch's data: this thread, another one that has not done it yet, or one that has. */
  claim(index: number): 'mine' | 'others' | { readonly memoryBase: number } {
    if (this.#load(header.placed) === 1) return { memoryBase: this.#load(header.memoryBase) >>> 0 };
    const holder = Atomics.compareExchange(this.words, header.claim, 0, index + 1);
    return holder === 0 || holder === index + 1 ? 'mine' : 'others';
  }

  place(memoryBase: number): void {
    this.#store(header.memoryBase, memoryBase | 0);
    this.#store(header.placed, 1);
  }

  vote(index: number, round: number): void {
    this.#store(at(index, row.vote), round);
  }

  voteOf(index: number): number {
    return this.#load(at(index, row.vote));
  }

  #load(word: number): number {
    return Atomics.load(this.words, word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.words, word, value);
  }
}

function at(index: number, word: number): number {
  return headerWords + index * rowWords + word;
}
