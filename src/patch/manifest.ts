// The manifest: what a patch says of itself (custom section `wgraft.patch`, JSON). One patch fits one prepared module.

import type { FuncIndex, SlotIndex } from '../wasm/index.ts';
import type { ConsistencyModel } from './consistency.ts';
import type { ShadowOperation, StateOperation } from './livepatch-imports.ts';

/**
 * SHA-256, hex, of a body of the program that the patch was made against: it must still be that one. A function that the
 * host gave the program has none.
 */
export type BodyHash = string;

/** One function that the patch replaces. */
export interface Replacement {
  /** Index in the prepared module. */
  readonly index: FuncIndex;
  readonly name: string | undefined;
  readonly slot: SlotIndex;
  /** `(i32, i32) -> i32`: old and new have the same. */
  readonly type: string;
  readonly hash: BodyHash;
  /** The patch module's export that takes its place. */
  readonly export: string;
  /** The patch module's export that is a copy of the program's own body, where the patch calls that. */
  readonly original?: string;
  /** Nobody changed it: it comes along because it calls a changed function that has no guard. */
  readonly unchanged?: true;
}

/** Where the value of one import of the patch module comes from. */
export type ImportSource =
  /** The program's function (prepared index, imports counted); calls go through its slot. */
  | { readonly from: 'func'; readonly index: FuncIndex; readonly hash?: BodyHash }
  /** The program's memory, table, tag or global; numbers that never change are copied instead. */
  | { readonly from: 'memory' | 'table' | 'global' | 'tag'; readonly index: number }
  /** An i32 global: where this patch's data starts in the program's memory. */
  | { readonly from: 'memory-base' }
  /** An i32 global: the first of this patch's entries in the program's table 0. */
  | { readonly from: 'table-base' }
  /** An i32 global (mutable, as GOT entries are) holding an address of the program's data. */
  | { readonly from: 'address'; readonly address: number }
  /** An i32 global (mutable) holding the place of the program's function in its table 0; it is put there if it has none. */
  | { readonly from: 'function-address'; readonly index: FuncIndex; readonly hash?: BodyHash }
  /** A function of the instance's shadow variables; `shadowTypes` has its type. */
  | { readonly from: 'shadow'; readonly operation: ShadowOperation }
  /** `(id) -> i32`: version + 1 of a system state, of the patch itself or of what was applied before it; 0 for none. */
  | { readonly from: 'state'; readonly operation: StateOperation }
  /** An import that the host gave the program, or, where `module.name` is new, must give the patch. */
  | { readonly from: 'host'; readonly host: { readonly module: string; readonly name: string } };

export type PatchImport = ImportSource & {
  readonly module: string;
  readonly name: string;
};

/** Where memory for the patch's own data comes from, and why that is safe for the program's allocator. */
export type Allocator = { readonly reason: string } & (
  | { readonly kind: 'grow' }
  /** The program's `malloc(size) -> address`, and its `free(address)` where it is known. */
  | {
      readonly kind: 'function';
      readonly index: FuncIndex;
      readonly name: string | undefined;
      readonly free?: FuncIndex;
      readonly hash?: BodyHash;
    }
);

export interface MemoryNeed {
  /** Of the patch's own data; 0 where only its shadow variables need memory. */
  readonly sizeBytes: number;
  /** A power of two. */
  readonly alignBytes: number;
  readonly allocator: Allocator;
}

/** Free text about the patch; shown by inspect and status. */
export interface PatchMetadata {
  readonly description?: string;
  readonly author?: string;
  readonly cves?: readonly string[];
}

/** Exports of the patch that are called around its transition; livepatch's four. */
export interface Callbacks {
  /** `() -> i32`: anything but 0 refuses the patch. */
  readonly prePatch?: string;
  readonly postPatch?: string;
  readonly preUnpatch?: string;
  readonly postUnpatch?: string;
}

/** livepatch's system state: something that the patch changes beyond its functions. */
export interface SystemState {
  readonly id: number;
  readonly version: number;
}

export interface Manifest {
  readonly format: 1;
  /** What `status` calls it; at most 64 of [A-Za-z0-9._-]. */
  readonly name: string;
  readonly target: {
    /** Build id of the prepared module, hex. */
    readonly buildId: string;
    readonly name?: string;
  };
  readonly replaces: readonly Replacement[];
  readonly imports: readonly PatchImport[];
  readonly memory?: MemoryNeed;
  /** How many entries of the program's table 0 the patch fills with functions of its own: its exports `__wgraft_table_K`. */
  readonly table?: { readonly size: number };
  readonly callbacks?: Callbacks;
  readonly states?: readonly SystemState[];
  /** It takes the place of all patches that are on (atomic replace). */
  readonly cumulative?: boolean;
  /** The consistency model that its author wants. */
  readonly model?: ConsistencyModel;
  readonly metadata: PatchMetadata;
}
