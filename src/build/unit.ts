// A unit: one module of replacement code, as it came out of the WAT parser or the C linker, before it is a patch.

import { WgraftError } from '../errors.ts';
import { reservedPrefix } from '../patch/index.ts';
import {
  type Export,
  type FuncIndex,
  type MemoryInfo,
  readDylink,
  readFunctionNames,
  readModule,
  type WasmModule,
} from '../wasm/index.ts';

export interface Unit {
  /** What messages call it. */
  readonly file: string;
  /**
   * Where it comes from: WAT; C, a `wasm-ld -shared` side module that follows its conventions; or a new build of the
   * program, of which from-builds/ has made what an author would have written in WAT.
   */
  readonly kind: 'wat' | 'c' | 'build';
  readonly module: WasmModule;
  readonly names: ReadonlyMap<FuncIndex, string>;
  readonly dylink: MemoryInfo | undefined;
  readonly exports: ReadonlyMap<string, Export>;
}

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function readUnit(file: string, kind: Unit['kind'], bytes: Uint8Array): Unit {
  const module = readModule(bytes);
  return {
    file,
    kind,
    module,
    names: readFunctionNames(bytes, module.sections),
    dylink: readDylink(bytes, module.sections),
    exports: new Map(module.exports.map((e) => [e.name, e])),
  };
}

/** The unit's export of that name and kind. */
export function findExport(unit: Unit, kind: Export['kind'], name: string): number | undefined {
  const found = unit.exports.get(name);
  return found?.kind === kind ? found.index : undefined;
}

/**
 * The function that replaces: exported or named as one of `labels`; or, where WAT has one replacement only (`alone`), the
 * only function that it exports. (In C every function that is not static is exported, so that would be a guess.)
 * @throws WGRAFT_ERR_REPLACEMENT_MISSING
 */
export function findReplacement(unit: Unit, labels: readonly string[], alone: boolean): FuncIndex {
  const imported = unit.module.imported.func;
  for (const label of labels) {
    const exported = findExport(unit, 'func', label);
    if (exported !== undefined && exported >= imported) return exported;
    const named = [...unit.names].filter(([index, name]) => name === label && index >= imported);
    if (named.length === 1 && named[0] !== undefined) return named[0][0];
  }
  const own = unit.module.exports.filter(
    (e) => e.kind === 'func' && e.index >= imported && !isReserved(e.name),
  );
  const only = new Set(own.map((e) => e.index));
  const [first] = only;
  if (first !== undefined && only.size === 1 && alone && unit.kind === 'wat') return first;
  throw new WgraftError('WGRAFT_ERR_REPLACEMENT_MISSING', {
    function: labels[0] ?? '',
    file: unit.file,
    language: unit.kind === 'c' ? 'c' : 'wat',
    found: definedNames(unit),
  });
}

/** Names that the linker makes, and those of callbacks. */
function isReserved(name: string): boolean {
  return name.startsWith('__wasm_') || name.startsWith(reservedPrefix);
}

function definedNames(unit: Unit): string[] {
  const { imported, functions, exports } = unit.module;
  const names: string[] = [];
  for (let index = imported.func; index < functions.length && names.length < 20; index += 1) {
    const name =
      exports.find((e) => e.kind === 'func' && e.index === index)?.name ?? unit.names.get(index) ?? undefined;
    if (name !== undefined && !isReserved(name)) names.push(`"${name}"`);
  }
  return names;
}
