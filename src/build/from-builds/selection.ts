// Which functions of the new build a patch has to bring. The changed ones; and where one of them has no slot in the program, the
// functions that call it too, up to functions that have one: as kGraft expands its set for what the compiler inlined.

import { WgraftError } from '../../errors.ts';
import type { SlotMapFunction } from '../../patch/index.ts';
import type { FuncIndex } from '../../wasm/index.ts';
import type { Build, BuildFunction } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';
import type { Target } from '../target.ts';

export interface Selection {
  /** Functions that take the place of the program's: index in the new build -> index in the prepared module. */
  readonly replaced: ReadonlyMap<FuncIndex, FuncIndex>;
  /** Functions of the new build that must not be bound to the program's of the same name: they have no slot, or another type. */
  readonly own: ReadonlySet<FuncIndex>;
  /** Replaced or own although their source did not change, because of a callee without a slot. */
  readonly expanded: ReadonlyMap<FuncIndex, FuncIndex>;
}

/** Constructors and what the linker makes for start-up: they ran when the program started, and never run again. */
const startUp =
  /^(__wasm_call_ctors|__wasm_init_memory|__wasm_apply_\w+|__wasm_init_tls|_GLOBAL__sub_I_.*|__cxx_global_var_init.*)$/;

/**
 * Selects what a patch must bring.
 * @throws WGRAFT_ERR_START_CODE_CHANGED, WGRAFT_ERR_SIGNATURE_CHANGED, WGRAFT_ERR_NOT_REACHABLE
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
    if (entry.slot === undefined) {
      own.add(f);
      queue.push(f);
    } else {
      replaced.set(f, entry.index);
    }
  };
  for (const change of comparison.changed) {
    refuseStartUp(change.new);
    if (change.how.kind === 'type') refuseReachable(comparison, change.old, change.new, target);
    if (change.how.kind === 'type') own.add(change.new.index);
    else take(change.new.index);
  }
  for (let f = queue.shift(); f !== undefined; f = queue.shift()) {
    const above = callers.get(f) ?? [];
    if (isEntry(comparison.new, f)) unreachable(comparison.new, f);
    for (const caller of above) take(caller, f);
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
    for (const { relocation, symbol } of f.references) {
      if (relocation.type.target !== 'func' || symbol?.index === undefined) continue;
      callers.set(symbol.index, [...(callers.get(symbol.index) ?? []), f.index]);
    }
  }
  return callers;
}

function refuseStartUp(f: BuildFunction): void {
  const name = f.names.find((n) => startUp.test(n));
  if (name !== undefined) throw new WgraftError('WGRAFT_ERR_START_CODE_CHANGED', { function: name });
}

/** A function whose type changed becomes another function; that is right only if nothing but direct calls can reach it. */
function refuseReachable(comparison: Comparison, old: BuildFunction, f: BuildFunction, target: Target): void {
  if (!isEntry(comparison.old, old.index) && !isEntry(comparison.new, f.index)) return;
  const entry = preparedFunctions(target).get(old.index);
  throw new WgraftError('WGRAFT_ERR_SIGNATURE_CHANGED', {
    function: f.names[0] ?? `#${f.index}`,
    expected: entry?.type ?? '?',
    found: 'another type, and its address is taken or it is exported',
    file: comparison.new.label,
  });
}

/** Exported, or its address is taken. */
function isEntry(build: Build, index: FuncIndex): boolean {
  const { exports, elements } = build.module;
  return (
    exports.some((e) => e.kind === 'func' && e.index === index) ||
    elements.some((s) => s.functions.includes(index))
  );
}

function unreachable(build: Build, index: FuncIndex): never {
  const name = build.functions[index]?.names[0] ?? `#${index}`;
  throw new WgraftError('WGRAFT_ERR_NOT_REACHABLE', { function: name });
}
