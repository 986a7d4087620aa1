// What can be asked of a program that is being patched, in plain data: the patcher answers it in its own process, the
// WASI runner for its worker, the control server for a client.

import type { ConsistencyModel, PatchMetadata, SystemState } from '../patch/index.ts';
import type { CallbackName } from './callbacks.ts';

/** livepatch's patch_state of an instance: -1 no transition, 0 unpatched, 1 patched, as far as the transition's patch goes. */
export type PatchState = -1 | 0 | 1;

export interface PatchStatus {
  /** Build id of the patch, hex. */
  readonly id: string;
  readonly name: string;
  readonly state: 'applying' | 'applied' | 'reverting';
  /** Names of the functions it replaces. */
  readonly functions: readonly string[];
  readonly cumulative: boolean;
  readonly states: readonly SystemState[];
  readonly metadata: PatchMetadata;
}

export interface TransitionStatus {
  readonly patch: string;
  readonly direction: 'apply' | 'revert';
  readonly model: ConsistencyModel;
  /** See src/runtime/transition.ts. */
  readonly phase: 'preparing' | 'committing' | 'finishing';
  readonly runningMs: number;
  readonly instances: { readonly done: number; readonly total: number };
}

export interface InstanceStatus {
  /** Its number in its thread. */
  readonly id: number;
  readonly state: PatchState;
  /** Node's `threadId`, where a group of threads is asked. */
  readonly thread?: number;
}

export interface ProgramStatus {
  readonly name: string;
  /** Build id of the prepared module, hex. */
  readonly buildId: string;
  readonly slots: number;
  /** Grows by one with every transition begun. */
  readonly universe: number;
  readonly instances: readonly InstanceStatus[];
  /** In the order of the patch stack: the last one wins. */
  readonly patches: readonly PatchStatus[];
  readonly transition: TransitionStatus | undefined;
  /** A transition was forced once: old and new code may have met, and nobody can say what that did. */
  readonly forced: boolean;
  /** There where the program computes and has not answered for so long, ms; the rest is what was last known of it. */
  readonly busyMs?: number;
}

export interface Status {
  readonly pid: number;
  readonly programs: readonly ProgramStatus[];
}

/** An instance that a transition waits for. */
export interface Blocking {
  readonly program: string;
  readonly instance: number;
  readonly thread?: number;
  readonly blockedMs: number;
  /** Where what blocks is: see Activity. */
  readonly state: 'running' | 'suspended' | 'unwound' | 'unseen' | 'no-safe-point';
  /** The changed functions that are active. */
  readonly functions: readonly string[];
  /** The instance's wasm stack, outermost first; empty where it cannot be seen. */
  readonly stack: readonly string[];
  /** There where its thread has made no host call for so long that it cannot be looked at, ms. */
  readonly busyMs?: number;
}

export interface TransitionResult {
  readonly program: string;
  readonly patch: { readonly id: string; readonly name: string; readonly functions: readonly string[] };
  readonly direction: 'apply' | 'revert';
  /** False where the caller did not wait and the transition still runs, or somebody turned it round meanwhile. */
  readonly complete: boolean;
  readonly universe: { readonly from: number; readonly to: number };
  readonly instances: { readonly done: number; readonly total: number };
  readonly elapsedMs: number;
}

export interface TransitionOptions {
  /** How long to wait for the end of the transition, ms; it goes on after that. Default 30 000. */
  readonly timeoutMs?: number;
  /** False: return when the transition has begun. Default true. */
  readonly wait?: boolean;
  /** Default: what the patch asks for, or else `hybrid`. */
  readonly model?: ConsistencyModel;
  /**
   * After so long a transition that still waits reverses by itself, ms; 0: never. Default 60 000 for apply, never for revert.
   */
  readonly deadlineMs?: number;
  /** Models that switch all instances at once: time between two of their five attempts, ms. Default 1 000 (Ksplice's). */
  readonly retryMs?: number;
}

export interface VerifyReport {
  readonly program: string;
  readonly patch: { readonly id: string; readonly name: string; readonly functions: readonly string[] };
  /** True where the patch is on already. */
  readonly applied: boolean;
}

/** Events, as `diagnostics_channel` (wgraft:<type>) and the control socket publish them. */
export type PatcherEvent =
  | {
      readonly type: 'instance';
      readonly program: string;
      readonly instance: number;
      readonly thread?: number;
      readonly change: 'born' | 'gone';
    }
  | {
      readonly type: 'transition';
      readonly program: string;
      readonly patch: string;
      readonly direction: 'apply' | 'revert';
      readonly step:
        | 'initializing'
        | 'starting'
        | 'completing'
        | 'complete'
        | 'reversing'
        | 'cancelled'
        /** Its deadline has passed: it reverses. */
        | 'expired'
        /** It switches what is left, whatever that runs. */
        | 'forced'
        /** Sleeping instances are woken. */
        | 'signaling';
    }
  | {
      readonly type: 'callback';
      readonly program: string;
      readonly patch: string;
      readonly instance: number;
      readonly thread?: number;
      readonly callback: CallbackName;
      readonly outcome: 'done' | 'refused' | 'trapped';
      readonly reason?: string;
    }
  | {
      readonly type: 'migrated';
      readonly program: string;
      readonly instance: number;
      readonly thread?: number;
      readonly universe: number;
      /** Name of the safe point that it was at. */
      readonly safePoint?: string;
    };

/** The operations; `revert` without a patch takes the topmost, and reverses a transition that still runs. */
export interface Operations {
  status(): Promise<Status>;
  blocking(): Promise<readonly Blocking[]>;
  verify(patch: Uint8Array): Promise<VerifyReport>;
  /** @throws WGRAFT_ERR_TRANSITION_STALLED when `timeoutMs` is over; the transition goes on. */
  apply(patch: Uint8Array, options?: TransitionOptions): Promise<TransitionResult>;
  revert(patch: string | undefined, options?: TransitionOptions): Promise<TransitionResult>;
  /**
   * Completes the transition that runs, whatever the instances run, and marks the program for good.
   * @throws WGRAFT_ERR_NO_TRANSITION
   */
  force(options?: TransitionOptions): Promise<TransitionResult>;
  /** Calls back for every event until the returned function is called. */
  subscribe(listener: (event: PatcherEvent) => void): () => void;
}
