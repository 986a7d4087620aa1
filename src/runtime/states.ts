// livepatch's system states: what patches change beyond functions, by id and version. A patch must not be put on where that
// would lose one: it must not bring an older version, and a cumulative patch must know all that are there.

import { WgraftError } from '../errors.ts';
import type { StateOperation } from '../patch/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

/** @throws WGRAFT_ERR_STATE_INCOMPATIBLE */
export function refuseIncompatible(program: Program, patch: LoadedPatch): void {
  const { name, states = [], cumulative = false } = patch.manifest;
  const all = program.stack.flatMap((r) => r.patch.manifest.states ?? []);
  for (const id of new Set(all.map((s) => s.id))) {
    const installed = Math.max(...all.flatMap((s) => (s.id === id ? [s.version] : [])));
    const version = states.find((s) => s.id === id)?.version;
    if (version === undefined ? !cumulative : version >= installed) continue;
    throw new WgraftError('WGRAFT_ERR_STATE_INCOMPATIBLE', {
      patch: name,
      program: program.name,
      id,
      version,
      installed,
    });
  }
}

/**
 * livepatch's klp_get_state and klp_get_prev_state, as a patch imports them: `(id) -> version + 1`, 0 for none; of the patch
 * itself, or of the newest patch below it that has the state.
 */
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
