// What the control thread and a thread of the program say to each other, over a port of their own. Each request is answered
// once, by its `id`, when the thread's event loop turns; events and mirrors come unasked, also from a thread that then computes.

import type { ErrorJson } from '../errors.ts';
import type { Mirror } from '../host/threads/index.ts';
import type { PatcherEvent, TransitionOptions } from '../runtime/index.ts';

export type Question =
  | { readonly call: 'ping' }
  | { readonly call: 'verify'; readonly patch: Uint8Array }
  | { readonly call: 'apply'; readonly patch: Uint8Array; readonly options: TransitionOptions }
  | { readonly call: 'force'; readonly options: TransitionOptions }
  | { readonly call: 'revert'; readonly patch: string | undefined; readonly options: TransitionOptions };

export type Request = Question & { readonly id: number };

export type Report =
  | { readonly type: 'reply'; readonly id: number; readonly result: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: ErrorJson }
  | { readonly type: 'event'; readonly event: PatcherEvent }
  | { readonly type: 'mirror'; readonly mirror: Mirror }
  | { readonly type: 'sharing'; readonly sharing: Sharing }
  | { readonly type: 'no-sharing'; readonly channel: string };

/** What the control thread is started with, and how it is told from a thread of the program. */
export interface ControlInput {
  readonly wgraft: 'control';
  readonly name: string;
  readonly folder: string;
  /** See `orderedKey`. */
  readonly ordered: Int32Array<SharedArrayBuffer>;
}

/** A thread of the program makes itself known to the control thread. */
export interface Introduction {
  readonly wgraft: 'thread';
  readonly threadId: number;
  readonly port: import('node:worker_threads').MessagePort;
}

/** A thread runs a program in a memory that it shares with others: they are to be patched as one. */
export interface Sharing {
  readonly wgraft: 'sharing';
  readonly thread: number;
  /** Of the broadcast channel on which it is welcomed, as threads of a group are, once for each memory. */
  readonly channel: string;
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly name: string | undefined;
  readonly mirror: Mirror;
  /** Where it is there, the thread waits at word 0. */
  readonly answered: Int32Array<SharedArrayBuffer> | undefined;
}

/** Environment data: a shared word, not 0 as soon as somebody has asked for a patch. Until then there is nothing to be born with. */
export const orderedKey = 'wgraft.ordered';
/** Environment data: the thread id of the control thread, for workers that are started after it. */
export const controlKey = 'wgraft.control';
/** A broadcast channel, for the ones that were started before: they ask `null`, the answer is the id. */
export const rendezvous = 'wgraft.control';
/** A broadcast channel that the control thread hears `Sharing`s on from threads that wait for it. */
export const sharings = 'wgraft.sharings';

export function isControlThread(workerData: unknown): boolean {
  return isKind(workerData, 'control');
}

export function isIntroduction(value: unknown): value is Introduction {
  return isKind(value, 'thread');
}

export function isSharing(value: unknown): value is Sharing {
  return isKind(value, 'sharing');
}

function isKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'wgraft' in value && value.wgraft === kind;
}
