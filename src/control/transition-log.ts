// What a client saw of the transition it asked for: all there is to say where the program dies in the middle of it.

import type { PatcherEvent } from '../runtime/index.ts';

export class TransitionLog {
  /** Undefined: whichever runs. */
  readonly #direction: 'apply' | 'revert' | undefined;
  #step: Extract<PatcherEvent, { type: 'transition' }>['step'] | undefined;
  #switched = 0;

  constructor(direction: 'apply' | 'revert' | undefined) {
    this.#direction = direction;
  }

  note(event: PatcherEvent): void {
    if (event.type === 'transition' && (this.#direction ?? event.direction) === event.direction) {
      this.#step = event.step;
      if (event.step === 'starting') this.#switched = 0;
    }
    if (event.type === 'migrated' && this.#step !== undefined) this.#switched += 1;
  }

  /** How many instances have switched so far. */
  get switched(): number {
    return this.#switched;
  }

  summary(): string {
    switch (this.#step) {
      case undefined:
        return 'the transition was not seen to begin';
      case 'complete':
        return `the transition was complete, ${this.#instances} had switched`;
      case 'cancelled':
        return 'the transition was cancelled';
      case 'initializing':
      case 'starting':
      case 'completing':
      case 'reversing':
      case 'expired':
      case 'forced':
      case 'signaling':
        return `the transition was running, ${this.#instances} had switched`;
    }
  }

  get #instances(): string {
    return this.#switched === 1 ? '1 instance' : `${this.#switched} instances`;
  }
}
