// What a patch of a program goes on as one: a thread, for the programs that each thread runs for itself, or the group of threads
// that work on one memory.

import type {
  Blocking,
  PatcherEvent,
  ProgramStatus,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from '../runtime/index.ts';
import type { Question } from './protocol.ts';

export interface Part {
  /** As warnings call it. */
  readonly title: string;
  /** As they were last known. */
  readonly programs: readonly ProgramStatus[];
  runs(buildId: string): boolean;
  /** Is the patch of this id on, on its way, or asked for? */
  has(id: string): boolean;
  /** Its programs as they are now. */
  look(): Promise<readonly ProgramStatus[]>;
  blocking(): Promise<readonly Blocking[]>;
  /** 0 where it answers, else for how long it has not, ms. */
  busyMs(): Promise<number>;
  verify(patch: Uint8Array): Promise<VerifyReport>;
  force(options: TransitionOptions): Promise<TransitionResult>;
  change(question: Change, wanted: Target, timeoutMs: number): Promise<TransitionResult>;
}

export type Change = Extract<Question, { call: 'apply' | 'revert' }>;

/** What a change is of. */
export interface Target {
  readonly buildId: string;
  /** Of the patch, and its name. */
  readonly id: string;
  readonly patch: string;
}

export interface PartListener {
  event(event: PatcherEvent): void;
  /** It may run a program that it did not run before. */
  changed(part: Part): void;
}
