// How a transition is to go: what its caller chose, and what the threads of a group need of one another.

import type { ConsistencyModel } from '../patch/index.ts';
import type { Instance } from './instance.ts';
import type { PatcherEvent } from './operations.ts';

export interface TransitionSettings {
  readonly model: ConsistencyModel;
  /** How long it may take before it reverses by itself, ms. */
  readonly deadlineMs: number;
  /** Models that switch all at once: how long to wait between two of `attemptLimit` attempts, ms. */
  readonly retryMs: number;
}

export interface Surroundings {
  readonly settings: TransitionSettings;
  readonly emit: (event: PatcherEvent) => void;
  readonly coordination?: Coordination | undefined;
}

/** What the threads of a group need of each other's transitions. All of it is asked again and again, and must not throw. */
export interface Coordination {
  /** The universe that all threads go to; undefined: the next one that this thread has not been in. */
  readonly universe: number | undefined;
  /** Have all threads come so far? */
  mayEnter(state: 'committing' | 'finishing' | 'complete'): boolean;
  /**
   * Stages the patch, at the places that it has in all threads; false: these are not known yet.
   * @throws WGRAFT_ERR_STAGE_FAILED
   */
  stage(instance: Instance, patch: string): boolean;
  /** All threads stand still, and agree whether to switch; `conflicts` are this thread's. */
  agree(conflicts: readonly Conflict[]): Agreement;
  /** How far all threads are, where this one answers for them. */
  overview?(): Overview;
}

/** The same in all threads: they switch; they do not, and this was in the way; or nobody has tried yet. */
export type Agreement = 'switch' | 'wait' | readonly Conflict[];

export interface Conflict {
  readonly instance: number;
  readonly functions: readonly string[];
  readonly thread?: number;
}

export interface Overview {
  /** Instances. */
  readonly done: number;
  readonly total: number;
  /** Those that are active and in the way. */
  readonly functions: readonly string[];
  /** What else they wait for, or why some could not even be looked at. */
  readonly reason?: string;
}
