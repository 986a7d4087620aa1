// What a replacement imports as "original" of a function: a copy of the program's own body. The program's function itself would not do:
// its guard leads to the replacement.

import type { FuncIndex } from '../wasm/index.ts';
import type { CompiledUnit } from './compile.ts';
import { copyFunctions } from './copied-functions.ts';
import { findFunction } from './function-reference.ts';
import { showTargetFunction, type Target } from './target.ts';

/** What the names of originals begin with. */
export const originalPrefix = 'original ';

/** The unit's export that is the original of a function. */
export function originalName(index: FuncIndex): string {
  return `${originalPrefix}#${index}`;
}

/**
 * The originals that `units` import, of functions that the patch replaces; undefined where they import none.
 * @throws WGRAFT_ERR_FUNCTION_UNKNOWN, WGRAFT_ERR_FUNCTION_AMBIGUOUS, WGRAFT_ERR_SOURCE_UNSUPPORTED where one uses what a patch cannot bind
 */
export function bringOriginals(
  target: Target,
  units: readonly CompiledUnit[],
  replaced: ReadonlySet<FuncIndex>,
): CompiledUnit | undefined {
  const wanted = new Set<FuncIndex>();
  for (const i of units.flatMap(({ unit }) => unit.module.importsOf.func)) {
    const index = i.module === 'original' ? findFunction(target, i.name) : undefined;
    if (index !== undefined && replaced.has(index)) wanted.add(index);
  }
  if (wanted.size === 0) return undefined;
  const unit = copyFunctions(target, [...wanted], {
    exported: originalName,
    named: (f) => originalPrefix + showTargetFunction(target, f),
    // What an original calls, itself too, is what the program calls.
    together: false,
  });
  return { unit, replaced: [] };
}
