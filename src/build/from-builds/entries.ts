// The ways into a program: its exports, the functions whose address is taken, and what runs only when it starts.

import { WgraftError } from '../../errors.ts';
import { callbackExports, reservedPrefix } from '../../patch/index.ts';
import type { FuncIndex } from '../../wasm/index.ts';
import type { Build } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';

/** Constructors' callers and what else the linker makes for start-up: they ran when the program started, and never run again. */
const startUp = /^__wasm_(call_ctors|init_memory|apply_\w+|init_tls)$/;

/** Functions that are exported, or whose address is taken. */
export function entriesOf({ module }: Build): Set<FuncIndex> {
  const entries = new Set(exportedFunctions(module).values());
  for (const { functions } of module.elements) for (const f of functions) if (f !== undefined) entries.add(f);
  return entries;
}

/** @throws WGRAFT_ERR_START_CODE_CHANGED if something changed that only start-up runs, like a constructor. */
export function refuseStartUp({ new: next, changed, added }: Comparison): void {
  const starting = next.functions.filter(
    (f) => f.index === next.module.start || f.names.some((name) => startUp.test(name)),
  );
  const living = reachable(next, entriesOf(next), new Set(starting.map((f) => f.index)));
  const started = reachable(
    next,
    starting.map((f) => f.index),
    living,
  );
  for (const f of [...changed.map((change) => change.new), ...added.filter((f) => starting.includes(f))]) {
    if (started.has(f.index))
      throw new WgraftError('WGRAFT_ERR_START_CODE_CHANGED', { function: f.names[0] ?? `#${f.index}` });
  }
}

/** What calls lead to from some functions, these included, without going into others. */
function reachable(
  { functions }: Build,
  from: Iterable<FuncIndex>,
  without: ReadonlySet<FuncIndex>,
): Set<FuncIndex> {
  const found = new Set<FuncIndex>();
  const queue = [...from];
  for (let f = queue.pop(); f !== undefined; f = queue.pop()) {
    if (found.has(f) || without.has(f)) continue;
    found.add(f);
    for (const callee of functions[f]?.callees ?? []) queue.push(callee);
  }
  return found;
}

/**
 * An export stays the function that it was: the host holds it.
 * @throws WGRAFT_ERR_EXPORT_CHANGED
 */
export function refuseMovedExports({ old, new: next, correlation }: Comparison): void {
  const before = exportedFunctions(old.module);
  for (const [name, index] of exportedFunctions(next.module)) {
    const was = before.get(name);
    if (was === undefined || correlation.functions.get(index) === was) continue;
    throw new WgraftError('WGRAFT_ERR_EXPORT_CHANGED', {
      export: name,
      old: old.functions[was]?.names[0] ?? `#${was}`,
      new: next.functions[index]?.names[0] ?? `#${index}`,
    });
  }
}

/**
 * The new build's callbacks by their export names. An old build has none: a program that is prepared exports no such names.
 * Where wasm-ld has wrapped exports to run constructors around each call, the function inside.
 */
export function callbackFunctions({ module, functions }: Build): Map<string, FuncIndex> {
  const exported = exportedFunctions(module);
  return new Map(
    Object.values(callbackExports).flatMap((label): [string, FuncIndex][] => {
      const index = exported.get(label);
      if (index === undefined) return [];
      const [, inner] = /^(.+)\.command_export$/.exec(functions[index]?.names[0] ?? '') ?? [];
      const called = functions[index]?.callees.find((c) => functions[c]?.names.includes(inner ?? ''));
      return [[label, called ?? index]];
    }),
  );
}

/** Names of exported functions that the old build does not have; callbacks are none that a program could want. */
export function newExports({ old, new: next }: Comparison): string[] {
  const before = exportedFunctions(old.module);
  return [...exportedFunctions(next.module).keys()].filter(
    (name) => !before.has(name) && !name.startsWith(reservedPrefix),
  );
}

function exportedFunctions({ exports }: Build['module']): Map<string, FuncIndex> {
  return new Map(
    exports.flatMap((e): [string, FuncIndex][] => (e.kind === 'func' ? [[e.name, e.index]] : [])),
  );
}
