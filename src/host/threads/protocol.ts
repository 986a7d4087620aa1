// What a group and its threads say to each other, by one port a thread. Orders are numbered; a thread takes them in turn, at its
// event loop or at a host call, and what it was sent before it joined waits in its port. How far it is stands on the board.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorJson } from '../../errors.ts';
import type { ConsistencyModel } from '../../patch/index.ts';
import type { Blocking, Conflict, Heritage, PatcherEvent, PlacesJson, Status } from '../../runtime/index.ts';

/** What a thread needs to join a group. Give it in `workerData` or by `postMessage`, with `port` in the transfer list. */
export interface Invitation {
  readonly port: MessagePort;
  readonly board: SharedArrayBuffer;
  readonly row: number;
}

/** A transition, or its reversal. */
export interface Order {
  readonly number: number;
  readonly direction: 'apply' | 'revert';
  /** Of the program. */
  readonly buildId: string;
  readonly patch: { readonly id: string; readonly bytes: Uint8Array };
  readonly model: ConsistencyModel;
  readonly universe: number;
  readonly places: PlacesJson;
}

/** All that a group has, for threads to come. */
export interface GroupState {
  /** Program by build id, without what the running order does. */
  readonly programs: Readonly<Record<string, Heritage>>;
  readonly order: Order | undefined;
}

export type ToThread =
  /** Always the first; with the thread's place in the group. */
  | {
      readonly type: 'welcome';
      readonly state: GroupState;
      readonly board: SharedArrayBuffer;
      readonly row: number;
    }
  | { readonly type: 'order'; readonly order: Order }
  /** The order is carried out. */
  | { readonly type: 'settled'; readonly buildId: string; readonly heritage: Heritage }
  | { readonly type: 'force' }
  /** Others have come further; and tell how you are. */
  | { readonly type: 'look' };

/** A thread's state after its last look. */
export interface Mirror {
  readonly status: Status;
  readonly blocking: readonly Blocking[];
}

export type FromThread =
  | { readonly type: 'joined'; readonly thread: number }
  | {
      readonly type: 'program';
      readonly module: WebAssembly.Module;
      readonly name: string | undefined;
    }
  /** Word 0 calls it where it makes no host calls. */
  | { readonly type: 'attention'; readonly words: Int32Array<SharedArrayBuffer> }
  | { readonly type: 'event'; readonly event: PatcherEvent }
  /** `isAnswer`: to a look. */
  | { readonly type: 'mirror'; readonly mirror: Mirror; readonly isAnswer: boolean }
  /** It has come further with its order. */
  | { readonly type: 'reached' }
  | { readonly type: 'placed'; readonly buildId: string; readonly places: PlacesJson }
  | { readonly type: 'conflicts'; readonly round: number; readonly conflicts: readonly Conflict[] }
  /** It cannot carry out the order. */
  | { readonly type: 'failed'; readonly order: number; readonly error: ErrorJson };
