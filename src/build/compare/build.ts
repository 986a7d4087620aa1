// One build of a program as the comparison sees it: functions and data with their symbols, and what each refers to. Read
// from the `linking` and `reloc.*` sections that `wasm-ld --emit-relocs` keeps in a linked module.

import { WgraftError } from '../../errors.ts';
import {
  bodyReader,
  checkRelocations,
  type FuncIndex,
  type GlobalIndex,
  hasFlag,
  type LinkSymbol,
  op,
  type Range,
  readFunctionNames,
  readLinking,
  readModule,
  segmentAddress,
  symbolBinding,
  type WasmModule,
  walk,
} from '../../wasm/index.ts';
import { type BuildData, readData } from './data.ts';
import { type Reference, readReferences, within } from './references.ts';

export type { BuildData } from './data.ts';
export type { Reference } from './references.ts';

export interface BuildFunction {
  readonly index: FuncIndex;
  /** All names that symbols give it; the first one is what it is called. */
  readonly names: readonly string[];
  /** Names under which it is exported. */
  readonly exports: readonly string[];
  readonly local: boolean;
  /** Undefined for an import. */
  readonly body: Range | undefined;
  /** In the order of their places. */
  readonly references: readonly Reference[];
  /** What it calls by index. */
  readonly callees: readonly FuncIndex[];
}

export interface Build {
  /** What messages call it. */
  readonly label: string;
  readonly module: WasmModule;
  /** All functions by index, imports too. */
  readonly functions: readonly BuildFunction[];
  /** The data behind a defined data symbol. */
  readonly dataOf: ReadonlyMap<LinkSymbol, BuildData>;
  readonly data: readonly BuildData[];
  /** Values of the absolute symbols, like `__heap_base`. */
  readonly absolute: ReadonlyMap<string, number>;
  /** Names of the globals that have one: the stack pointer, and what is thread-local. */
  readonly globalNames: ReadonlyMap<GlobalIndex, string>;
}

/**
 * Reads a build. @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE where there are no relocations or they cannot be trusted,
 * WGRAFT_ERR_WASM_MALFORMED
 */
export function readBuild(label: string, bytes: Uint8Array): Build {
  const module = readModule(bytes);
  const check = checkRelocations(module);
  if (check.kind === 'none')
    unsuitable(`${label} was not linked with --emit-relocs (it has no ${check.missing} section)`);
  if (check.kind === 'stale') {
    const [fault] = check.faults;
    unsuitable(
      `the relocations of ${label} do not belong to its code (${check.wrong} of ${check.relocations} are wrong` +
        `${fault === undefined ? '' : `; the first: ${fault.what}`}): a tool such as wasm-opt rewrote it after the link`,
    );
  }
  refuseUnplaced(label, module);
  const linking = readLinking(module);
  const symbols = linking?.symbols ?? [];
  const references = readReferences(module, symbols);
  const functions = readFunctions(module, symbols, references.code);
  const dataOf = readData(module, symbols, references.data, linking?.segments ?? []);
  const absolute = symbols.filter((s) => s.kind === 'data' && hasFlag(s, 'absolute'));
  return {
    label,
    module,
    functions,
    dataOf,
    data: [...new Set(dataOf.values())],
    absolute: new Map(absolute.map((s) => [s.name ?? '', s.offset])),
    globalNames: new Map(
      symbols.flatMap((s): [GlobalIndex, string][] =>
        s.kind === 'global' && s.index !== undefined && s.name !== undefined ? [[s.index, s.name]] : [],
      ),
    ),
  };
}

function unsuitable(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', { reason });
}

/** Addresses in code and data mean something only where every segment has one. */
export function refuseUnplaced(label: string, m: WasmModule): void {
  if (m.memories.some(({ flags }) => (flags & 4) !== 0))
    unsuitable(`${label} has a memory with 64-bit addresses, which patches from builds do not support`);
  if (m.data.some((segment) => segmentAddress(m, segment) === undefined))
    unsuitable(
      `${label} has data without a fixed address: it is a side module, or was linked for threads (--shared-memory)`,
    );
}

/** All functions. Without symbols they have the names of the name section, and call what they call by index. */
export function readFunctions(
  m: WasmModule,
  symbols: readonly LinkSymbol[],
  code: readonly Reference[],
): BuildFunction[] {
  const named = new Map<FuncIndex, LinkSymbol[]>();
  for (const s of symbols) {
    if (s.kind !== 'func' || s.index === undefined) continue;
    const known = named.get(s.index);
    if (known === undefined) named.set(s.index, [s]);
    else known.push(s);
  }
  const made = readFunctionNames(m.bytes, m.sections);
  const exported = new Map<FuncIndex, string[]>();
  for (const e of m.exports) {
    if (e.kind === 'func') exported.set(e.index, [...(exported.get(e.index) ?? []), e.name]);
  }
  return m.functions.map((_, index) => {
    const own = named.get(index) ?? [];
    const body = m.bodies[index - m.imported.func];
    const references = body === undefined ? [] : within(code, body);
    // What the linker itself made, like `get.command_export`, has no symbol and no relocations.
    const exports = exported.get(index) ?? [];
    const name = own.length > 0 ? undefined : (made.get(index) ?? exports[0]);
    return {
      index,
      names: [...new Set(own.flatMap((s) => s.name ?? [])), ...(name === undefined ? [] : [name])],
      exports,
      local: own.every((s) => symbolBinding(s) === 'local'),
      body,
      references,
      callees: body === undefined ? [] : references.length > 0 ? calledBy(references) : callsIn(m, body),
    };
  });
}

function calledBy(references: readonly Reference[]): FuncIndex[] {
  return references.flatMap(({ relocation, symbol }) =>
    relocation.type.target === 'func' && symbol?.index !== undefined ? [symbol.index] : [],
  );
}

function callsIn(m: WasmModule, body: WasmModule['bodies'][number]): FuncIndex[] {
  const found: FuncIndex[] = [];
  walk(bodyReader(m.bytes, body), ({ opcode, index }) => {
    if (opcode === op.call || opcode === op.returnCall) found.push(index);
  });
  return found;
}
