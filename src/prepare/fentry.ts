// fentry prologues: the calls that a compiler puts into each function it instruments. In a kernel that has them they mark
// the functions that want a slot; the calls and the imports behind them disappear when the kernel is prepared.

import { WgraftError } from '../errors.ts';
import {
  bodyReader,
  type FuncIndex,
  type FuncType,
  funcType,
  op,
  showFuncType,
  type WasmModule,
  walk,
} from '../wasm/index.ts';
import { addressTaken, exportedFunctions } from './entries.ts';

/** Names of the entry hooks: ours, clang's bare one, and gcc's and clang's with (function, call site). */
export const fentryNames: readonly string[] = [
  '__fentry__',
  '__cyg_profile_func_enter_bare',
  '__cyg_profile_func_enter',
];

/** What `-finstrument-functions` adds at the other end; it marks nothing and goes away with its entry hook. */
const exitOf: Readonly<Record<string, string>> = { __cyg_profile_func_enter: '__cyg_profile_func_exit' };

export interface Fentry {
  /** Name of the import that marks functions. */
  readonly name: string;
  /** The hook imports to take out, with how many arguments each takes. */
  readonly removed: ReadonlyMap<FuncIndex, number>;
  /** The functions that call an entry hook. */
  readonly marked: ReadonlySet<FuncIndex>;
}

/**
 * Finds the fentry hooks of a kernel; undefined where it has none.
 * @param wanted an import name to take for the hook instead of the usual ones.
 * @throws WGRAFT_ERR_FENTRY_UNUSABLE
 */
export function findFentry(m: WasmModule, wanted: string | undefined): Fentry | undefined {
  const names = new Set(wanted === undefined ? fentryNames : [wanted]);
  const imports = m.importsOf.func;
  const entryHooks = new Set<FuncIndex>();
  const exits = new Set<string>();
  const removed = new Map<FuncIndex, number>();
  const take = (wantedNames: ReadonlySet<string>, visit: (index: FuncIndex, name: string) => void): void => {
    imports.forEach((i, index) => {
      if (i.module !== 'env' || !wantedNames.has(i.name)) return;
      removed.set(index, hookArguments(i.name, funcType(m, index)));
      visit(index, i.name);
    });
  };
  take(names, (index, name) => {
    entryHooks.add(index);
    const exit = exitOf[name];
    if (exit !== undefined) exits.add(exit);
  });
  take(exits, () => {});
  const [first] = entryHooks;
  if (first === undefined) {
    if (wanted !== undefined) unusable(wanted, 'the kernel does not import it from "env"');
    return undefined;
  }
  refuseEscape(m, removed, (index) => imports[index]?.name ?? '');
  return { name: imports[first]?.name ?? '', removed, marked: findCallers(m, entryHooks) };
}

/** How many arguments a call of the hook has; on wasm64 the addresses have 64 bits. */
function hookArguments(name: string, type: FuncType): number {
  const shape = showFuncType(type);
  if (!hookTypes.has(shape)) {
    unusable(name, `its type is ${shape}; an fentry hook is () -> () or (i32, i32) -> ()`);
  }
  return type.params.length;
}

const hookTypes: ReadonlySet<string> = new Set(['() -> ()', '(i32, i32) -> ()', '(i64, i64) -> ()']);

/** A hook that is exported or whose address is taken cannot be taken out. */
function refuseEscape(
  m: WasmModule,
  removed: ReadonlyMap<FuncIndex, number>,
  nameOf: (index: FuncIndex) => string,
): void {
  const escapes: [ReadonlySet<FuncIndex>, string][] = [
    [exportedFunctions(m), 'it is exported'],
    [addressTaken(m), 'its address is taken'],
    [new Set(m.start === undefined ? [] : [m.start]), 'it is the start function'],
  ];
  for (const [functions, reason] of escapes)
    for (const index of removed.keys()) if (functions.has(index)) unusable(nameOf(index), reason);
}

function findCallers(m: WasmModule, hooks: ReadonlySet<FuncIndex>): Set<FuncIndex> {
  const callers = new Set<FuncIndex>();
  m.bodies.forEach((body, i) => {
    walk(bodyReader(m.bytes, body), (instruction) => {
      const isCall = instruction.opcode === op.call || instruction.opcode === op.returnCall;
      if (isCall && hooks.has(instruction.index)) callers.add(m.imported.func + i);
    });
  });
  return callers;
}

function unusable(name: string, reason: string): never {
  throw new WgraftError('WGRAFT_ERR_FENTRY_UNUSABLE', { name, reason });
}
