// Work that must not be met half done. A transition calls callbacks, allocators and listeners of events, and all of them can come
// back: through a host import that is a migration point, or to ask for something.

export class Exclusive {
  #isTaken = false;

  /** Somebody is at it, further down the stack. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  run<Result>(work: () => Result): Result {
    const before = this.#isTaken;
    this.#isTaken = true;
    try {
      return work();
    } finally {
      this.#isTaken = before;
    }
  }
}
