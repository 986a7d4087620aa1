// What a transition changes, for the activeness check to look for.

import type { SlotIndex } from '../wasm/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';

/** The functions behind these slots, and everything of these patches (by id). */
export interface Change {
  readonly slots: ReadonlySet<SlotIndex>;
  readonly patches: ReadonlySet<string>;
}

export function changeOf(patches: readonly LoadedPatch[]): Change {
  return {
    slots: new Set(patches.flatMap((p): SlotIndex[] => [...p.bySlot.keys()])),
    patches: new Set(patches.map((p) => p.id)),
  };
}
