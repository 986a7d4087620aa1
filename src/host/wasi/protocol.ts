// What the main thread and the program's worker say to each other. Requests go by the worker's port and a call of the bell,
// and are taken at the program's migration points; each is answered once, by its `id`. Reports come back unasked, too.

import type { ErrorJson } from '../../errors.ts';
import type {
  Blocking,
  PatcherEvent,
  Status,
  TransitionOptions,
  TransitionResult,
} from '../../runtime/index.ts';

/** What a program is run with. */
export interface RunOptions {
  /** What `status` calls it. */
  readonly name: string;
  /** Its argv, with the program's own name first. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The folders it may use: what it calls them -> where they are. */
  readonly preopens: Readonly<Record<string, string>>;
}

/** What the worker is started with. */
export interface WorkerInput {
  readonly prepared: Uint8Array;
  readonly options: RunOptions;
  readonly bell: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
}

/** `options.wait`: answer when the transition is over, not when it has begun. */
export type Question =
  | { readonly call: 'ping' }
  | { readonly call: 'apply'; readonly patch: Uint8Array; readonly options: TransitionOptions }
  | { readonly call: 'revert'; readonly patch: string | undefined; readonly options: TransitionOptions }
  | { readonly call: 'force'; readonly options: TransitionOptions };

export type Request = Question & { readonly id: number };

/** The patcher's state after the worker's last look. `blocking` is part of it: who waits for what. */
export interface Mirror {
  readonly status: Status;
  readonly blocking: readonly Blocking[];
}

export type Report =
  | { readonly type: 'reply'; readonly id: number; readonly result: TransitionResult | undefined }
  | { readonly type: 'refusal'; readonly id: number; readonly error: ErrorJson }
  | { readonly type: 'event'; readonly event: PatcherEvent }
  | { readonly type: 'mirror'; readonly mirror: Mirror }
  /** Bytes of standard input are wanted, or there is room for more. */
  | { readonly type: 'input' }
  /** The program can be asked and patched, and starts when it is let; never said where it is refused. */
  | { readonly type: 'ready'; readonly mirror: Mirror }
  | { readonly type: 'refused'; readonly error: ErrorJson }
  | { readonly type: 'exited'; readonly code: number }
  | { readonly type: 'trapped'; readonly error: ErrorJson };
