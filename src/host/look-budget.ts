// How often a program is looked at at its host calls. While a transition waits for it to leave a changed function, every host call
// is a chance and costs a look at the stack. Looks may take a fifth of the time: what is not used of that is saved up, so that a
// program which seldom calls is looked at every time; one that calls all the time is looked at at random, so that no moment is
// always missed.

/** Share of the program's time that looks at its stack may take, and how much of it can be saved up. */
const lookShare = 0.2;
const savedMs = 20;

export class LookBudget {
  /** What looks may still take, ms; none while it is negative. */
  #credit = savedMs;
  #creditedAt = performance.now();

  get isLookDue(): boolean {
    const now = performance.now();
    this.#credit = Math.min(savedMs, this.#credit + (now - this.#creditedAt) * lookShare);
    this.#creditedAt = now;
    return this.#credit > 0;
  }

  /** Does the look, and pays for it. */
  spend(look: () => void): void {
    const start = performance.now();
    look();
    const cost = performance.now() - start;
    this.#credit -= cost;
    if (this.#credit <= 0) this.#credit = -2 * cost * Math.random();
  }
}
