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

/** Names of the entry hooks: ours, clang's bare one, and gcc's and clang's with (function, call site). */
export const fentryNames: readonly string[] = [
  '__fentry__',
  '__cyg_profile_func_enter_bare',
  '__cyg_profile_func_enter',
];

/** What `-finstrument-functions` adds at the other end; it marks nothing and goes away with the entry hooks. */
const exitName = '__cyg_profile_func_exit';

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
  const names = wanted === undefined ? fentryNames : [wanted];
  const functions = m.imports.filter((i) => i.kind === 'func');
  const hooks = new Map<FuncIndex, number>();
  const removed = new Map<FuncIndex, number>();
  functions.forEach((i, index) => {
    const entry = i.module === 'env' && names.includes(i.name);
    if (!entry && !(i.module === 'env' && i.name === exitName)) return;
    const type = funcType(m, index);
    if (entry) hooks.set(index, hookArguments(i.name, type));
    removed.set(index, type.params.length);
  });
  const [first] = hooks.keys();
  if (first === undefined) {
    if (wanted !== undefined) unusable(wanted, 'the kernel does not import it from "env"');
    return undefined;
  }
  const name = functions[first]?.name ?? '';
  for (const index of removed.keys()) refuseEscape(m, index, functions[index]?.name ?? name);
  return { name, removed, marked: findCallers(m, hooks) };
}

function hookArguments(name: string, type: FuncType): number {
  const shape = showFuncType(type);
  if (shape !== '() -> ()' && shape !== '(i32, i32) -> ()') {
    unusable(name, `its type is ${shape}; an fentry hook is () -> () or (i32, i32) -> ()`);
  }
  return type.params.length;
}

/** A hook that is exported or whose address is taken cannot be taken out. */
function refuseEscape(m: WasmModule, index: FuncIndex, name: string): void {
  if (m.exports.some((e) => e.kind === 'func' && e.index === index)) unusable(name, 'it is exported');
  if (m.elements.some((s) => s.functions.includes(index))) unusable(name, 'its address is taken');
  if (m.start === index) unusable(name, 'it is the start function');
}

function findCallers(m: WasmModule, hooks: ReadonlyMap<FuncIndex, number>): Set<FuncIndex> {
  const callers = new Set<FuncIndex>();
  m.bodies.forEach((body, i) => {
    walk(bodyReader(m.bytes, body), (instruction) => {
      if (instruction.opcode === op.call && hooks.has(instruction.index)) callers.add(m.imported.func + i);
    });
  });
  return callers;
}

function unusable(name: string, reason: string): never {
  throw new WgraftError('WGRAFT_ERR_FENTRY_UNUSABLE', { name, reason });
}
