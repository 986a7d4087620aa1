// What happened so far, in numbers: for metrics, which are asked for again and again and must cost little.

import type { Events } from './events.ts';
import type { PatcherEvent, Status } from './operations.ts';

/** Plain counters (they only grow) and gauges (`now`). */
export interface Stats {
  readonly instances: { readonly born: number; readonly gone: number };
  /** Transitions that were begun, and how they ended. */
  readonly transitions: {
    readonly begun: number;
    readonly applied: number;
    readonly reverted: number;
    readonly reversed: number;
    readonly cancelled: number;
  };
  /** How many times an instance switched. */
  readonly migrations: number;
  readonly now: {
    readonly programs: number;
    readonly instances: number;
    readonly patches: number;
    readonly transitions: number;
  };
}

type Step = Extract<PatcherEvent, { type: 'transition' }>;

export class Counters {
  readonly #instances = { born: 0, gone: 0 };
  readonly #transitions = { begun: 0, applied: 0, reverted: 0, reversed: 0, cancelled: 0 };
  #migrations = 0;

  constructor(events: Events) {
    events.subscribe((event) => this.#count(event));
  }

  stats({ programs }: Status): Stats {
    const sum = (of: (program: Status['programs'][number]) => number): number =>
      programs.reduce((total, program) => total + of(program), 0);
    return {
      instances: { ...this.#instances },
      transitions: { ...this.#transitions },
      migrations: this.#migrations,
      now: {
        programs: programs.length,
        instances: sum((p) => p.instances.length),
        patches: sum((p) => p.patches.length),
        transitions: sum((p) => (p.transition === undefined ? 0 : 1)),
      },
    };
  }

  #count(event: PatcherEvent): void {
    if (event.type === 'instance') this.#instances[event.change] += 1;
    if (event.type === 'migrated') this.#migrations += 1;
    if (event.type === 'transition') this.#countStep(event);
  }

  #countStep({ step, direction }: Step): void {
    if (step === 'initializing') this.#transitions.begun += 1;
    if (step === 'reversing') this.#transitions.reversed += 1;
    if (step === 'cancelled') this.#transitions.cancelled += 1;
    if (step === 'complete') this.#transitions[direction === 'apply' ? 'applied' : 'reverted'] += 1;
  }
}
