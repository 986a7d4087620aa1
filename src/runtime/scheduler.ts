// When transitions are worked on: on the event loop, in slices, never one long pause. Work that can go on is continued in the
// next turn; instances that must be waited for are looked at again after a growing delay.

/** The longest that one turn of the event loop is held up, ms. */
const sliceMs = 2;

const firstRetryMs = 1;
const lastRetryMs = 50;

export class Scheduler {
  readonly #work: (deadline: number) => 'more' | 'waiting' | 'idle';
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;

  /** @param work does what can be done until the deadline and says what is left. */
  constructor(work: (deadline: number) => 'more' | 'waiting' | 'idle') {
    this.#work = work;
  }

  /** Makes sure that work goes on, from the next turn of the event loop. */
  start(): void {
    this.#retryMs = firstRetryMs;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#immediate ??= setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#immediate = undefined;
    this.#timer = undefined;
    const left = this.#work(performance.now() + sliceMs);
    if (left === 'more') this.start();
    if (left !== 'waiting') return;
    // A program that only waits for us may end: whoever awaits the transition keeps the process alive himself.
    this.#timer = setTimeout(() => this.#turn(), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs);
  }
}
