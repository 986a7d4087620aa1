// What a hand-written replacement of a function without a guard needs: the functions that call it, up to those that have one,
// copied out of the prepared program as they are. They become a unit like any other; what it imports as "target" of the
// replaced functions is bound to their replacements. kGraft expands its set so for what the compiler inlined.

import { WgraftError } from '../errors.ts';
import { skipGuard } from '../prepare/index.ts';
import {
  bodyReader,
  copyInstructions,
  copyLocals,
  type FuncIndex,
  type Import,
  type IndexSpace,
  op,
  Reader,
  TypeTable,
  Writer,
  walk,
} from '../wasm/index.ts';
import type { CompiledUnit } from './compile.ts';
import { emitUnit } from './emit-unit.ts';
import { describeItem } from './program-item.ts';
import { copiedFile, isInner, type ReplacedFunction } from './replaced.ts';
import { hasSlot, isGuarded, showTargetFunction, type Target } from './target.ts';
import { readUnit } from './unit.ts';
import { UnitImports } from './unit-imports.ts';

export interface Callers extends CompiledUnit {
  /** Why each of them comes along: the function that it calls. */
  readonly because: ReadonlyMap<FuncIndex, FuncIndex>;
}

/** Its export that is the original body of a replaced function without a guard. */
export function originalName(index: FuncIndex): string {
  return `original #${index}`;
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
  const bytes = new Copy(target, unguarded, [...because.keys()]).run();
  const replaced = [...because.keys()].map((index) => replacedFunction(target, index));
  return { unit: readUnit(copiedFile, 'build', bytes), replaced, because };
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

/** Functions of the program as a module of their own, which imports all else from the program. */
class Copy {
  readonly #target: Target;
  readonly #unguarded: ReadonlySet<FuncIndex>;
  /** Their order among the module's own functions. */
  readonly #copied: ReadonlyMap<FuncIndex, number>;
  readonly #types = new TypeTable();
  readonly #imports = new UnitImports();

  /** `copied` become functions of the module, and of `unguarded` the originals do. */
  constructor(target: Target, unguarded: ReadonlySet<FuncIndex>, copied: readonly FuncIndex[]) {
    this.#target = target;
    this.#unguarded = unguarded;
    this.#copied = new Map(copied.map((f, i) => [f, i]));
  }

  run(): Uint8Array<ArrayBuffer> {
    const all = [...this.#copied.keys(), ...this.#unguarded];
    // Copying into nothing shows what is imported; indices count only when all of it is known.
    for (const f of all) this.#body(f);
    const { module } = this.#target;
    const functions = all.map((f) => ({
      type: this.#types.add(module, module.functions[f] ?? 0),
      name: this.#target.names.get(f),
      body: this.#body(f),
    }));
    const imported = this.#imports.count('func');
    const nameOf = (f: FuncIndex): string => (this.#unguarded.has(f) ? originalName(f) : exportName(f));
    return emitUnit({
      types: this.#types,
      imports: this.#imports.all,
      functions,
      globals: [],
      exports: all.map((f, i) => ({ name: nameOf(f), index: imported + i })),
      entries: [],
      tableBase: 0,
      data: [],
      memoryBase: 0,
      needs: { memorySize: 0, memoryAlignment: 0, tableSize: 0, tableAlignment: 0 },
    });
  }

  #body(f: FuncIndex): Uint8Array {
    const { module } = this.#target;
    const body = module.bodies[f - module.imported.func] ?? { start: 0, end: 0 };
    const out = new Writer(256);
    const r = new Reader(module.bytes, body.start, body.end);
    const map = (space: IndexSpace, index: number, opcode: number): number =>
      this.#index(space, index, f, opcode);
    copyLocals(r, out, map);
    if (isGuarded(this.#target, f)) skipGuard(r);
    copyInstructions(r, out, map);
    return out.toBytes();
  }

  #index(space: IndexSpace, index: number, within: FuncIndex, opcode: number): number {
    if (space === 'type') return this.#types.add(this.#target.module, index);
    if (space === 'func') return this.#function(index, within, opcode);
    if (space === 'element' || space === 'data')
      throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', {
        file: copiedFile,
        what: `"${showTargetFunction(this.#target, within)}", which has to come along, uses ${space} segment ${index} of the program`,
      });
    return this.#import(space, index);
  }

  /** What has a guard is called through it; a function that calls itself does so directly. */
  #function(index: FuncIndex, within: FuncIndex, opcode: number): number {
    const own = this.#copied.get(index);
    const itself = index === within && opcode !== op.refFunc;
    if (own === undefined || (isGuarded(this.#target, index) && !itself)) return this.#import('func', index);
    return this.#imports.count('func') + own;
  }

  #import(kind: Import['kind'], index: number): number {
    return this.#imports.add({ kind, ...describeItem(this.#target, kind, index, this.#types) });
  }
}
