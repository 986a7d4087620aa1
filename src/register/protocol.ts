// What the control thread and a thread of the program say to each other, over a port of their own. Each request is answered
// once, by its `id`, when the thread's event loop turns; events and mirrors come unasked, also from a thread that then computes.

import type { ErrorJson } from '../errors.ts';
import type { Blocking, PatcherEvent, Status, TransitionOptions } from '../runtime/index.ts';

export type Question =
  | { readonly call: 'ping' }
  | { readonly call: 'verify'; readonly patch: Uint8Array }
  | { readonly call: 'apply'; readonly patch: Uint8Array; readonly options: TransitionOptions }
  | { readonly call: 'force'; readonly options: TransitionOptions }
  | { readonly call: 'revert'; readonly patch: string | undefined; readonly options: TransitionOptions };

export type Request = Question & { readonly id: number };

/** What a thread's patcher said last. */
export interface Mirror {
  readonly status: Status;
  readonly blocking: readonly Blocking[];
}

export type Report =
  | { readonly type: 'reply'; readonly id: number; readonly result: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: ErrorJson }
  | { readonly type: 'event'; readonly event: PatcherEvent }
  | { readonly type: 'mirror'; readonly mirror: Mirror };

/** What the control thread is started with, and how it is told from a thread of the program. */
export interface ControlInput {
  readonly wgraft: 'control';
  readonly name: string;
  readonly folder: string;
}

/** A thread of the program makes itself known to the control thread. */
export interface Introduction {
  readonly wgraft: 'thread';
  readonly threadId: number;
  readonly port: import('node:worker_threads').MessagePort;
}

/** Environment data: the thread id of the control thread, for workers that are started after it. */
export const controlKey = 'wgraft.control';
/** A broadcast channel, for the ones that were started before: they ask `null`, the answer is the id. */
export const rendezvous = 'wgraft.control';

export function isControlThread(workerData: unknown): boolean {
  return isKind(workerData, 'control');
}

export function isIntroduction(value: unknown): value is Introduction {
  return isKind(value, 'thread');
}

function isKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'wgraft' in value && value.wgraft === kind;
}
