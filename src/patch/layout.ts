// The names that a prepared module and a patch agree on. Everything wgraft adds to a module carries the reserved prefix.

import type { Callbacks } from './manifest.ts';

export const reservedPrefix = '__wgraft_';

export const slotsSection = 'wgraft.slots';
export const patchSection = 'wgraft.patch';

/** Exports of a prepared module; docs/architecture.md says what each does. */
export const preparedExports = {
  slots: '__wgraft_slots',
  set: '__wgraft_set',
  fill: '__wgraft_fill',
  value: '__wgraft_value',
} as const;

/** Import of a module that was prepared with attention: a shared memory of one page, whose first word calls the host. */
export const attentionImport = { module: 'wgraft', name: 'attention' } as const;

/** Entry of the slot table in which such a module has the host function that it calls then. */
export const attentionEntry = 1;

/** Name under which a prepared module exports its memory, table, tag or global number `index`; which globals, `globalOffer` says. */
export function reservedExport(kind: 'memory' | 'table' | 'global' | 'tag', index: number): string {
  return `${reservedPrefix}${kind}_${index}`;
}

/** Export of a patch that copies its data segments to its memory base; absent where it has no data. */
export const patchDataExport = '__wgraft_data';

/** Exports by which a source says which of its functions are the patch's callbacks. */
export const callbackExports: Readonly<Record<keyof Callbacks, string>> = {
  prePatch: '__wgraft_pre_patch',
  postPatch: '__wgraft_post_patch',
  preUnpatch: '__wgraft_pre_unpatch',
  postUnpatch: '__wgraft_post_unpatch',
};

/** Import module names of a patch that wgraft builds; the manifest, not these names, says what they resolve to. */
export const patchImportModule = 'target';

/** Export of a patch: its function for entry `table_base + index` of the program's table 0. */
export function patchTableExport(index: number): string {
  return `${reservedPrefix}table_${index}`;
}
