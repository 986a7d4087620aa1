// The prepared module that a patch is built for, and how its functions, globals, tables, memories and tags are named.

import { WgraftError } from '../errors.ts';
import { findSlotMap, hasGuard, reservedPrefix, type SlotMap, type SlotMapFunction } from '../patch/index.ts';
import {
  type ExternKind,
  type FuncIndex,
  type GlobalIndex,
  readBuildId,
  readFunctionNames,
  readGlobalNames,
  readModule,
  type WasmModule,
} from '../wasm/index.ts';

export interface Target {
  readonly module: WasmModule;
  readonly map: SlotMap;
  /** Hex. */
  readonly buildId: string;
  /** What the slot map says of each defined function of the kernel, by its prepared index. */
  readonly functions: ReadonlyMap<FuncIndex, SlotMapFunction>;
  /** Functions by name: those that carry it, in the order of their indices. */
  readonly functionsByName: ReadonlyMap<string, readonly FuncIndex[]>;
  readonly globalsByName: ReadonlyMap<string, readonly GlobalIndex[]>;
  readonly names: ReadonlyMap<FuncIndex, string>;
  /** The first name under which a function is exported. */
  readonly exportNames: ReadonlyMap<FuncIndex, string>;
}

/** Reads a prepared module. @throws WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_SLOT_MAP_VERSION */
export function readTarget(bytes: Uint8Array): Target {
  const module = readModule(bytes);
  const map = findSlotMap(bytes);
  const id = readBuildId(bytes, module.sections);
  if (map === undefined || id === undefined)
    throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: 'the target' });
  const functions = new Map(map.functions.map((f) => [f.index, f]));
  const names = kernelNames(module, functions);
  return {
    module,
    map,
    buildId: Buffer.from(id).toString('hex'),
    functions,
    functionsByName: byName(module, 'func', names),
    globalsByName: byName(module, 'global', readGlobalNames(bytes, module.sections)),
    names,
    exportNames: exportNames(module),
  };
}

/** False for imports, too. */
export function hasSlot({ functions }: Target, index: FuncIndex): boolean {
  return functions.get(index)?.slot !== undefined;
}

/** True where a call of the function, wherever it comes from, comes by its slot. */
export function isGuarded({ functions }: Target, index: FuncIndex): boolean {
  const f = functions.get(index);
  return f !== undefined && hasGuard(f);
}

/** What a message calls the function: its name, an export's, or its index. */
export function showTargetFunction(target: Target, index: FuncIndex): string {
  return target.names.get(index) ?? target.exportNames.get(index) ?? `#${index}`;
}

function exportNames(m: WasmModule): Map<FuncIndex, string> {
  const found = new Map<FuncIndex, string>();
  for (const e of m.exports) if (e.kind === 'func' && !found.has(e.index)) found.set(e.index, e.name);
  return found;
}

/** Names of the kernel's own functions; what preparing added cannot be called by a patch. */
function kernelNames(m: WasmModule, functions: ReadonlyMap<FuncIndex, unknown>): Map<FuncIndex, string> {
  const all = [...readFunctionNames(m.bytes, m.sections)];
  return new Map(all.filter(([index]) => index < m.imported.func || functions.has(index)));
}

/** The name section's names count first; an export's name stands where no function is named so. */
function byName(
  m: WasmModule,
  kind: ExternKind,
  names: ReadonlyMap<number, string>,
): Map<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const [index, name] of [...names].sort(([a], [b]) => a - b)) {
    const known = found.get(name);
    if (known === undefined) found.set(name, [index]);
    else known.push(index);
  }
  for (const e of m.exports) {
    if (e.kind === kind && !e.name.startsWith(reservedPrefix) && !found.has(e.name))
      found.set(e.name, [e.index]);
  }
  return found;
}
