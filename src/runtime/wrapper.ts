// A wrapper: a patch that calls the original of a function that it replaces. The original is the program's own body, not the
// patch below: on top of a fix, a wrapper would switch the fix off without a word.

import { WgraftError } from '../errors.ts';
import { showFunction } from '../patch/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

/** @throws WGRAFT_ERR_ORIGINAL_PATCHED */
export function refuseHidingWrapper(program: Program, { manifest }: LoadedPatch): void {
  // A cumulative patch takes the place of those below; then the program's own body is what is meant.
  if (manifest.cumulative === true || !manifest.imports.some((i) => i.from === 'bypass')) return;
  const below = program.effective.filter((p) => manifest.replaces.some((r) => p.bySlot.has(r.slot)));
  if (below.length === 0) return;
  const functions = manifest.replaces.filter((r) => below.some((p) => p.bySlot.has(r.slot)));
  throw new WgraftError('WGRAFT_ERR_ORIGINAL_PATCHED', {
    patch: manifest.name,
    functions: functions.map(showFunction),
    below: below.map((p) => p.manifest.name),
  });
}
