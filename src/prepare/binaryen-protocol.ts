// What binaryen-engine.ts and its thread say to each other: one job to the thread, progress and one result back.

import type { GlobalIndex } from '../wasm/index.ts';

export interface GuardJob {
  /** A module with its additions but without guards. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hasNames: boolean;
  /** The function of each slot, in slot order; prepared indices. */
  readonly functions: Uint32Array;
  /** The redirect that each of them goes to. */
  readonly redirects: Uint32Array;
  readonly firstSlot: GlobalIndex;
  readonly word: GlobalIndex;
}

export type GuardReply =
  | { readonly kind: 'progress'; readonly phase: string; readonly fraction?: number }
  | { readonly kind: 'done'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly reason: string };
