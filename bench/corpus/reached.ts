// Whether the calls that an entry is judged by run the replaced functions at all: right results prove nothing of code that is
// never run. A slot word that stands for no function makes the first call of its function trap.

import type { Replacement } from '../../src/patch/index.ts';
import { roundCalls, runRaw, runRound } from './program.ts';
import type { Recipe } from './recipe.ts';

export interface Reached {
  readonly reached: number;
  /** How many were looked at: the first few, as each costs a run of the entry's calls. */
  readonly of: number;
}

const most = 32;
const noFunction = 0x7fffffff;

/** Counts those of the functions that the entry's calls run, in the prepared module and without any patch. */
export async function countReached(
  recipe: Recipe,
  module: WebAssembly.Module,
  replaced: readonly Replacement[],
): Promise<Reached> {
  const tried = replaced.slice(0, most);
  let reached = 0;
  for (const { slot } of tried) {
    const { running, instance } = await runRaw(module);
    const set = instance.exports['__wgraft_set'];
    if (typeof set !== 'function') throw new Error('the prepared module does not export __wgraft_set');
    set(slot, noFunction);
    const values = [...runRound(running, roundCalls(recipe, running, true)).values()];
    if (values.some((value) => typeof value === 'string' && /table index is out of bounds/.test(value)))
      reached += 1;
  }
  return { reached, of: tried.length };
}
