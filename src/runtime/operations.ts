// What can be asked of a program that is being patched, in plain data: the patcher answers it in its own process, the
// WASI runner for its worker, the control server for a client.

import type { PatchMetadata } from '../patch/index.ts';

/** livepatch's patch_state of an instance: -1 no transition, 0 still in the old universe, 1 in the new one. */
export type PatchState = -1 | 0 | 1;

export interface PatchStatus {
  /** Build id of the patch, hex. */
  readonly id: string;
  readonly name: string;
  readonly state: 'applying' | 'applied' | 'reverting';
  /** Names of the functions it replaces. */
  readonly functions: readonly string[];
  readonly metadata: PatchMetadata;
}

export interface TransitionStatus {
  readonly patch: string;
  readonly direction: 'apply' | 'revert';
  readonly runningMs: number;
  readonly instances: { readonly done: number; readonly total: number };
}

export interface InstanceStatus {
  readonly id: number;
  readonly state: PatchState;
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
  readonly blockedMs: number;
  /** The changed functions that are active. */
  readonly functions: readonly string[];
  /** The instance's wasm stack, outermost first; empty where it cannot be seen. */
  readonly stack: readonly string[];
}

export interface TransitionResult {
  readonly program: string;
  readonly patch: { readonly id: string; readonly name: string; readonly functions: readonly string[] };
  readonly direction: 'apply' | 'revert';
  /** False where the caller did not wait and the transition still runs. */
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
      readonly change: 'born' | 'gone';
    }
  | {
      readonly type: 'transition';
      readonly program: string;
      readonly patch: string;
      readonly direction: 'apply' | 'revert';
      readonly step: 'initializing' | 'starting' | 'completing' | 'complete' | 'reversing' | 'cancelled';
    }
  | {
      readonly type: 'migrated';
      readonly program: string;
      readonly instance: number;
      readonly universe: number;
    };

/** The operations; `revert` without a patch takes the topmost, and reverses a transition that still runs. */
export interface Operations {
  status(): Promise<Status>;
  blocking(): Promise<readonly Blocking[]>;
  verify(patch: Uint8Array): Promise<VerifyReport>;
  /** @throws WGRAFT_ERR_TRANSITION_STALLED when `timeoutMs` is over; the transition goes on. */
  apply(patch: Uint8Array, options?: TransitionOptions): Promise<TransitionResult>;
  revert(patch: string | undefined, options?: TransitionOptions): Promise<TransitionResult>;
  /** Calls back for every event until the returned function is called. */
  subscribe(listener: (event: PatcherEvent) => void): () => void;
}
