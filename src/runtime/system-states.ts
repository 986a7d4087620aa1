// What a patch's code may ask about system states: livepatch's klp_get_state and klp_get_prev_state.

import type { StateOperation } from '../patch/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

/** `(id) -> version + 1`, 0 for none: of the patch itself, or of the newest patch below it that has the state. */
export function stateFunction(
  program: Program,
  patch: LoadedPatch,
  operation: StateOperation,
): (id: number) => number {
  const ask = (id: number): number | undefined =>
    operation === 'get' ? versionIn(patch, id) : versionBelow(program, patch, id);
  return (id) => (ask(id >>> 0) ?? -1) + 1;
}

function versionIn({ manifest }: LoadedPatch, id: number): number | undefined {
  return manifest.states?.find((s) => s.id === id)?.version;
}

function versionBelow({ stack }: Program, patch: LoadedPatch, id: number): number | undefined {
  const place = stack.findIndex((r) => r.patch.id === patch.id);
  const below = place === -1 ? stack : stack.slice(0, place);
  const newest = below.findLast((r) => versionIn(r.patch, id) !== undefined);
  return newest === undefined ? undefined : versionIn(newest.patch, id);
}
