// What a hand-written replacement of a function without a guard needs: the functions that call it, up to those that have one,
// copied out of the prepared program as they are. They become a unit like any other; what it imports as "target" of the
// replaced functions is bound to their replacements. kGraft expands its set so for what the compiler inlined.

import { WgraftError } from '../errors.ts';
import { bodyReader, type FuncIndex, op, walk } from '../wasm/index.ts';
import type { CompiledUnit } from './compile.ts';
import { copyFunctions } from './copied-functions.ts';
import { copiedFile, isInner, type ReplacedFunction } from './replaced.ts';
import { hasSlot, isGuarded, showTargetFunction, type Target } from './target.ts';

export interface Callers extends CompiledUnit {
  /** Why each of them comes along: the function that it calls. */
  readonly because: ReadonlyMap<FuncIndex, FuncIndex>;
}

/**
 * The callers of `unguarded`, functions without a guard that somebody has `written` anew, but those that are written anew, too.
 * @throws WGRAFT_ERR_SLOT_MISSING where nothing calls them, WGRAFT_ERR_NOT_REACHABLE, WGRAFT_ERR_SOURCE_UNSUPPORTED where a caller uses what a patch cannot bind
 */
export function bringCallers(
  target: Target,
  unguarded: ReadonlySet<FuncIndex>,
  written: ReadonlySet<FuncIndex>,
): Callers {
  const because = findCallers(target, unguarded, written);
  if (![...because.keys(), ...written].some((f) => hasSlot(target, f)))
    refuseUncalled(target, [...unguarded][0] ?? 0);
  const callers = [...because.keys()];
  const unit = copyFunctions(target, callers, {
    exported: exportName,
    named: (f) => target.names.get(f),
    together: true,
  });
  return { unit, replaced: callers.map((index) => replacedFunction(target, index)), because };
}

function findCallers(
  target: Target,
  unguarded: ReadonlySet<FuncIndex>,
  written: ReadonlySet<FuncIndex>,
): Map<FuncIndex, FuncIndex> {
  const callers = callersOf(target);
  const because = new Map<FuncIndex, FuncIndex>();
  const queue = [...unguarded];
  // A caller may join the queue.
  for (const f of queue) {
    const { reason } = target.functions.get(f) ?? {};
    if (reason !== undefined && !isInner(reason))
      throw new WgraftError('WGRAFT_ERR_NOT_REACHABLE', { function: showTargetFunction(target, f) });
    for (const caller of callers.get(f) ?? []) {
      if (because.has(caller) || written.has(caller)) continue;
      because.set(caller, f);
      if (!isGuarded(target, caller)) queue.push(caller);
    }
  }
  return because;
}

function refuseUncalled(target: Target, index: FuncIndex): never {
  throw new WgraftError('WGRAFT_ERR_SLOT_MISSING', {
    function: showTargetFunction(target, index),
    reason: 'no function that the program can get to calls it',
    remedy: 'the program never runs it: there is nothing to replace',
  });
}

/** Which of the program's functions call each of them. */
function callersOf({ module, functions }: Target): Map<FuncIndex, Set<FuncIndex>> {
  const callers = new Map<FuncIndex, Set<FuncIndex>>();
  for (const caller of functions.keys()) {
    const body = module.bodies[caller - module.imported.func];
    if (body === undefined) continue;
    walk(bodyReader(module.bytes, body), ({ opcode, index }) => {
      if (opcode !== op.call && opcode !== op.returnCall) return;
      const known = callers.get(index);
      if (known === undefined) callers.set(index, new Set([caller]));
      else known.add(caller);
    });
  }
  return callers;
}

function replacedFunction(target: Target, index: FuncIndex): ReplacedFunction {
  const entry = target.functions.get(index);
  if (entry === undefined)
    throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `function ${index} is not in the slot map` });
  const name = showTargetFunction(target, index);
  return {
    index,
    slot: entry.slot,
    entry,
    name,
    labels: [exportName(index)],
    file: copiedFile,
    unchanged: true,
  };
}

function exportName(index: FuncIndex): string {
  return `#${index}`;
}
