// livepatch's system states: what patches change beyond functions, by id and version. A patch must not be put on where that
// would lose one: it must not bring an older version, and a cumulative patch must know all that are there.

import { WgraftError } from '../errors.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

/** @throws WGRAFT_ERR_STATE_INCOMPATIBLE */
export function refuseIncompatible(program: Program, patch: LoadedPatch): void {
  const { name, states = [], cumulative = false } = patch.manifest;
  const ids = new Set(program.stack.flatMap((r) => r.patch.manifest.states ?? []).map((s) => s.id));
  for (const id of ids) {
    const installed = program.stateVersion(id) ?? 0;
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
