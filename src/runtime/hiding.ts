// Patches that would switch each other off without a word. A wrapper calls the program's own body, not the patch below it. And a
// function that nobody changed comes along as the program was built, because it calls a changed one without a slot: on top
// of a fix to it, the fix is gone; below one, what it came along for is gone.

import { WgraftError } from '../errors.ts';
import { type Replacement, showFunction } from '../patch/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

/** @throws WGRAFT_ERR_ORIGINAL_PATCHED */
export function refuseHiding(program: Program, { manifest }: LoadedPatch): void {
  // A cumulative patch takes the place of those below; then the program's own body is what is meant.
  if (manifest.cumulative === true) return;
  const wraps = manifest.imports.some((i) => i.from === 'bypass');
  const ways = {
    calls: () => wraps,
    brings: (own: Replacement) => own.unchanged === true,
    hides: (_: Replacement, other: Replacement) => other.unchanged === true,
  };
  for (const does of ['calls', 'brings', 'hides'] as const) {
    const functions = new Set<string>();
    const below = new Set<string>();
    for (const patch of program.effective)
      for (const own of manifest.replaces) {
        const other = patch.bySlot.get(own.slot);
        if (other === undefined || !ways[does](own, other)) continue;
        functions.add(showFunction(own));
        below.add(patch.manifest.name);
      }
    if (functions.size === 0) continue;
    const details = { patch: manifest.name, does, functions: [...functions], below: [...below] };
    throw new WgraftError('WGRAFT_ERR_ORIGINAL_PATCHED', details);
  }
}
