// How a transition is to go: what its caller chose, and what the threads of a group need of one another.

import type { ConsistencyModel } from '../patch/index.ts';

export interface TransitionSettings {
  readonly model: ConsistencyModel;
  /** How long it may take before it reverses by itself, ms. */
  readonly deadlineMs: number;
  /** Models that switch all at once: how long to wait between two of `attemptLimit` attempts, ms. */
  readonly retryMs: number;
}

/** What the threads of a group need of each other's transitions. */
export interface Coordination {
  /** Have all threads come so far? Asked again and again. */
  mayEnter(state: 'committing' | 'finishing'): boolean;
  /** All threads stand still, and agree whether to switch; `conflicts` are this thread's. Returns in all of them the same. */
  agree(conflicts: readonly Conflict[]): boolean;
}

export interface Conflict {
  readonly instance: number;
  readonly functions: readonly string[];
}
