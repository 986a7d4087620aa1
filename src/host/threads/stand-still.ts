// Models that switch everything at once (stop-machine, checkpoint) need all threads to stand still while it is decided. One word of
// the board holds the round: its number, and in the low two bits how it stands.
//
//   closed -> open -> switch    all concerned threads have come, and nothing was in the way
//                  -> retry     something was, or one did not come in time
//
// Threads come at a turn of their event loops or at a host call. Those that have come sleep on the word, so that no code of the
// program runs in them; each then switches before it runs any. The decision is one compare-and-exchange: the same for all.

import { type Board, header } from './board.ts';

const outcomes = { closed: 0, open: 1, retry: 2, switch: 3 } as const;
const stepBits = 2;

/** How long a thread stands still for the others, ms: how long a try may hold up the program. */
const patienceMs = 100;

export type RoundState = keyof typeof outcomes;

export class StandStill {
  readonly #board: Board;
  #openedAt = 0;

  constructor(board: Board) {
    this.#board = board;
  }

  get number(): number {
    return this.#word >>> stepBits;
  }

  get state(): RoundState {
    return stateOf(this.#word);
  }

  /** Group: lets the threads try. */
  open(): void {
    this.#openedAt = performance.now();
    this.#set(((this.number + 1) << stepBits) | outcomes.open);
  }

  /** Group: what was decided is dealt with; a round that is still open fails. */
  close(): void {
    this.decide(this.#word, 'retry');
    if (this.state === 'retry') this.#set((this.number << stepBits) | outcomes.closed);
  }

  /** Group: nobody can decide a round that nobody came to. */
  expire(): void {
    if (performance.now() > this.#openedAt + 2 * patienceMs) this.decide(this.#word, 'retry');
  }

  /**
   * A thread comes, and stands still until it is decided.
   * @param concerned does this thread's row have something to switch?
   * @returns true: switch now
   */
  join(index: number, isFree: boolean, concerned: (index: number) => boolean): boolean {
    const round = this.#word;
    if (stateOf(round) !== 'open') return false;
    if (!isFree) {
      this.#board.vote(index, round >>> stepBits);
      this.decide(round, 'retry');
      return false;
    }
    this.#board.vote(index, round >>> stepBits);
    Atomics.notify(this.#board.words, header.round); // those who stand look round again
    const deadline = performance.now() + patienceMs;
    while (this.#word === round) {
      const missing = this.#board.live.filter(
        (i) => concerned(i) && this.#board.voteOf(i) !== round >>> stepBits,
      );
      const leftMs = deadline - performance.now();
      if (missing.length === 0) this.decide(round, 'switch');
      else if (leftMs <= 0) this.decide(round, 'retry');
      else Atomics.wait(this.#board.words, header.round, round, leftMs);
    }
    return this.#word === outcome(round, 'switch');
  }

  /** Only the first decision of a round counts. */
  decide(round: number, as: 'retry' | 'switch'): void {
    if (stateOf(round) !== 'open') return;
    Atomics.compareExchange(this.#board.words, header.round, round, outcome(round, as));
    Atomics.notify(this.#board.words, header.round);
  }

  get #word(): number {
    return Atomics.load(this.#board.words, header.round);
  }

  #set(word: number): void {
    Atomics.store(this.#board.words, header.round, word);
    Atomics.notify(this.#board.words, header.round);
  }
}

function stateOf(word: number): RoundState {
  const found = Object.entries(outcomes).find(([, value]) => value === (word & ((1 << stepBits) - 1)));
  return (found?.[0] ?? 'closed') as RoundState;
}

function outcome(round: number, as: 'retry' | 'switch'): number {
  return (round & -(1 << stepBits)) | outcomes[as];
}
