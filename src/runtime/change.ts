// What a transition changes, for the activeness check to look for.

import type { SlotIndex } from '../wasm/index.ts';
import type { PatchRecord } from './program.ts';

/** The functions behind these slots, and everything of these patches (by id). */
export interface Change {
  readonly slots: ReadonlySet<SlotIndex>;
  readonly patches: ReadonlySet<string>;
}

export function changeOf(records: readonly PatchRecord[]): Change {
  return {
    slots: new Set(records.flatMap((r): SlotIndex[] => [...r.patch.bySlot.keys()])),
    patches: new Set(records.map((r) => r.patch.id)),
  };
}
