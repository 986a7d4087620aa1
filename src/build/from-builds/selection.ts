// Which functions of the new build a patch has to bring. The changed ones; and where one of them has no guard in the program, the
// functions that call it too, up to functions that have one: as kGraft expands its set for what the compiler inlined.

import { WgraftError } from '../../errors.ts';
import { hasGuard, type SlotMapFunction } from '../../patch/index.ts';
import { type FuncIndex, funcType, showFuncType } from '../../wasm/index.ts';
import type { Build, BuildFunction } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';
import type { Target } from '../target.ts';
import { entriesOf, refuseMovedExports, refuseStartUp } from './entries.ts';

export interface Selection {
  /** Functions that take the place of the program's: index in the new build -> index in the prepared module. */
  readonly replaced: ReadonlyMap<FuncIndex, FuncIndex>;
  /** Functions of the new build that must not be bound to the program's of the same name: they have no slot, or another type. */
  readonly own: ReadonlySet<FuncIndex>;
  /** Replaced or own although their source did not change, because of a callee without a guard. */
  readonly expanded: ReadonlyMap<FuncIndex, FuncIndex>;
}

/**
 * Selects what a patch must bring.
 * @throws WGRAFT_ERR_START_CODE_CHANGED, WGRAFT_ERR_EXPORT_CHANGED, WGRAFT_ERR_SIGNATURE_CHANGED, WGRAFT_ERR_NOT_REACHABLE
 */
export function select(comparison: Comparison, target: Target): Selection {
  const replaced = new Map<FuncIndex, FuncIndex>();
  const own = new Set<FuncIndex>();
  const expanded = new Map<FuncIndex, FuncIndex>();
  const entryOf = preparedFunctions(target);
  const callers = callersOf(comparison.new);
  const queue: FuncIndex[] = [];
  const take = (f: FuncIndex, because?: FuncIndex): void => {
    if (replaced.has(f) || own.has(f)) return;
    const old = comparison.correlation.functions.get(f);
    const entry = old === undefined ? undefined : entryOf.get(old);
    if (entry === undefined) return; // new in this build: whoever needs it brings it
    if (because !== undefined) expanded.set(f, because);
    if (entry.slot === undefined) own.add(f);
    else replaced.set(f, entry.index);
    if (!hasGuard(entry)) queue.push(f);
  };
  refuseStartUp(comparison);
  refuseMovedExports(comparison);
  const entries = entriesOf(comparison.old);
  for (const { old, new: f, how } of comparison.changed) {
    if (how.kind === 'type') {
      if (entries.has(old.index)) refuseType(comparison, old, f, target);
      own.add(f.index);
      queue.push(f.index);
    } else take(f.index);
  }
  // Taking a caller may put it in the queue.
  for (const f of queue) {
    if (!replaced.has(f) && entries.has(comparison.correlation.functions.get(f) ?? -1))
      unreachable(comparison.new, f);
    for (const caller of callers.get(f) ?? []) take(caller, f);
  }
  return { replaced, own, expanded };
}

/** What the slot map says of the old build's functions, by their index there. */
export function preparedFunctions(target: Target): Map<FuncIndex, SlotMapFunction> {
  return new Map(target.map.functions.map((f) => [f.original, f]));
}

function callersOf(build: Build): Map<FuncIndex, FuncIndex[]> {
  const callers = new Map<FuncIndex, FuncIndex[]>();
  for (const f of build.functions) {
    for (const callee of new Set(f.callees)) {
      const known = callers.get(callee);
      if (known === undefined) callers.set(callee, [f.index]);
      else known.push(f.index);
    }
  }
  return callers;
}

/** A function whose type changed becomes another function; that is right only if nothing but direct calls can reach it. */
function refuseType(comparison: Comparison, old: BuildFunction, f: BuildFunction, target: Target): never {
  const entry = preparedFunctions(target).get(old.index);
  const found = showFuncType(funcType(comparison.new.module, f.index));
  throw new WgraftError('WGRAFT_ERR_SIGNATURE_CHANGED', {
    function: f.names[0] ?? `#${f.index}`,
    expected: entry?.type ?? showFuncType(funcType(comparison.old.module, old.index)),
    found,
    file: comparison.new.label,
  });
}

function unreachable(build: Build, index: FuncIndex): never {
  const name = build.functions[index]?.names[0] ?? `#${index}`;
  throw new WgraftError('WGRAFT_ERR_NOT_REACHABLE', { function: name });
}
