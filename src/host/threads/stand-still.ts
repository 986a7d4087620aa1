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

  /** Group: lets the threads try. Some may yet have to wake up in the last round, and hear how it ended. */
  open(): void {
    this.#openedAt = performance.now();
    if (this.state === 'switch') Atomics.store(this.#board.words, header.switched, this.number);
    this.#set(opened(this.number + 1));
  }

  /** Group: what was decided is dealt with; a round that is still open fails. */
  close(): void {
    this.#decide(this.#word, 'retry');
    if (this.state === 'retry') this.#set((this.number << stepBits) | outcomes.closed);
  }

  /** Group: nobody can decide a round that nobody came to. */
  expire(): void {
    if (performance.now() > this.#openedAt + 2 * patienceMs) this.#decide(this.#word, 'retry');
  }

  /** Thread: the round that is open, to be read before the order that it is for: a new order comes after its end. */
  get openRound(): number | undefined {
    const round = this.#word;
    return stateOf(round) === 'open' ? round >>> stepBits : undefined;
  }

  /** Thread: it has come, and is in the way. It does not vote first: another could take that for a yes. */
  refuse(round: number): void {
    this.#decide(opened(round), 'retry');
  }

  /**
   * Thread: it has come, is not in the way, and stands still until it is decided.
   * @param concerned does this thread's row have something to switch?
   * @returns true: switch now
   */
  join(index: number, round: number, concerned: (index: number) => boolean): boolean {
    this.#board.vote(index, round);
    Atomics.notify(this.#board.words, header.round); // those who stand look round again
    const deadline = performance.now() + patienceMs;
    const word = opened(round);
    while (this.#word === word) {
      const missing = this.#board.live.filter((i) => concerned(i) && this.#board.voteOf(i) !== round);
      const leftMs = deadline - performance.now();
      if (missing.length === 0) this.#decide(word, 'switch');
      else if (leftMs <= 0) this.#decide(word, 'retry');
      else Atomics.wait(this.#board.words, header.round, word, leftMs);
    }
    return this.#word === outcome(word, 'switch') || this.#switched === round;
  }

  /** Only the first decision of a round counts. */
  #decide(word: number, as: 'retry' | 'switch'): void {
    if (stateOf(word) !== 'open') return;
    Atomics.compareExchange(this.#board.words, header.round, word, outcome(word, as));
    Atomics.notify(this.#board.words, header.round);
  }

  get #switched(): number {
    return Atomics.load(this.#board.words, header.switched);
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

/** The word of a round that is open. */
function opened(round: number): number {
  return (round << stepBits) | outcomes.open;
}

function outcome(word: number, as: 'retry' | 'switch'): number {
  return (word & -(1 << stepBits)) | outcomes[as];
}
