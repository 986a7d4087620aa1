// How the worker waits: it sleeps on the bell, so that input, a request and a deadline all end the sleep, and lets the
// patcher look at the program before it sleeps again. A program that only ever waits is migrated here.

import type { Bell } from './bell.ts';

const longestMs = 2 ** 31 - 1;
/** While a transition waits: nothing changes on the program's stack, but deadlines and attempts come due. */
const lookMs = 100;

export class Sleeper {
  readonly #bell: Bell;
  readonly #visit: (asleep: boolean) => void;

  /** @param visit lets the patcher work; the program is at a host call, `asleep` if it would do nothing else now. */
  constructor(bell: Bell, visit: (asleep: boolean) => void) {
    this.#bell = bell;
    this.#visit = visit;
  }

  /** What `ready` finds, or undefined when the deadline (performance.now()) comes first. */
  until<T>(ready: () => T | undefined, deadline: number = Number.POSITIVE_INFINITY): T | undefined {
    for (;;) {
      const { rings } = this.#bell; // before looking: see bell.ts
      const found = ready();
      if (found !== undefined) return found;
      if (this.#bell.called) this.#visit(true);
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      this.#bell.sleep(rings, Math.min(left, this.#bell.called ? lookMs : longestMs));
    }
  }
}
