// Wakes the sleepers that a transition waits for: each time so many looks have found it waiting.

import type { Instance } from './instance.ts';

const roundsPerWake = 8;

export class Alarm {
  #rounds = 0;

  /** A look has found these waiting. `tell` is called before any of them is woken. */
  pass(waiting: readonly Instance[], tell: () => void): void {
    this.#rounds += 1;
    if (this.#rounds % roundsPerWake !== 0) return;
    const sleepers = waiting.filter((i) => i.wake !== undefined);
    if (sleepers.length === 0) return;
    tell();
    for (const instance of sleepers) instance.wake?.();
  }
}
