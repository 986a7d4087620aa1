// One build of a program as the comparison sees it: functions and data with their symbols, and what each refers to. Read
// from the `linking` and `reloc.*` sections that `wasm-ld --emit-relocs` keeps in a linked module.

import { WgraftError } from '../../errors.ts';
import {
  checkRelocations,
  type FuncIndex,
  type GlobalIndex,
  hasFlag,
  type LinkSymbol,
  type Range,
  type Relocation,
  readLinking,
  readModule,
  readRelocations,
  sectionIds,
  segmentAddress,
  symbolBinding,
  type WasmModule,
} from '../../wasm/index.ts';

/** A field of code or data that the linker filled in. */
export interface Reference {
  /** Offset of the field in the file. */
  readonly at: number;
  readonly relocation: Relocation;
  /** What it names; undefined for a type index. */
  readonly symbol: LinkSymbol | undefined;
}

export interface BuildFunction {
  readonly index: FuncIndex;
  /** All names that symbols give it; the first one is what it is called. Undefined body: an import. */
  readonly names: readonly string[];
  readonly local: boolean;
  readonly body: Range | undefined;
  /** In the order of their places. */
  readonly references: readonly Reference[];
}

export interface BuildData {
  readonly name: string;
  readonly local: boolean;
  /** String literals, jump tables and other constants whose names mean nothing from one build to the next. */
  readonly anonymous: boolean;
  readonly writable: boolean;
  readonly address: number;
  readonly size: number;
  /** Its initial bytes in the file. */
  readonly content: Range;
  readonly references: readonly Reference[];
  /** Alignment of its segment, bytes. */
  readonly alignment: number;
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

function readReferences(
  m: WasmModule,
  symbols: readonly LinkSymbol[],
): { code: Reference[]; data: Reference[] } {
  const found: { code: Reference[]; data: Reference[] } = { code: [], data: [] };
  for (const { target, entries } of readRelocations(m)) {
    const list =
      target?.id === sectionIds.code ? found.code : target?.id === sectionIds.data ? found.data : undefined;
    if (target === undefined || list === undefined) continue;
    for (const relocation of entries) {
      const symbol = relocation.type.target === 'type' ? undefined : symbols[relocation.index];
      list.push({ at: target.payload + relocation.offset, relocation, symbol });
    }
  }
  const byPlace = (a: Reference, b: Reference): number => a.at - b.at;
  return { code: found.code.sort(byPlace), data: found.data.sort(byPlace) };
}

/** Those of `sorted` that stand in the range. */
function within(sorted: readonly Reference[], range: Range): Reference[] {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.at ?? 0) < range.start) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < sorted.length && (sorted[end]?.at ?? 0) < range.end) end += 1;
  return sorted.slice(low, end);
}

function readFunctions(
  m: WasmModule,
  symbols: readonly LinkSymbol[],
  code: readonly Reference[],
): BuildFunction[] {
  const named = new Map<FuncIndex, LinkSymbol[]>();
  for (const s of symbols) {
    if (s.kind === 'func' && s.index !== undefined) named.set(s.index, [...(named.get(s.index) ?? []), s]);
  }
  return m.functions.map((_, index) => {
    const own = named.get(index) ?? [];
    const body = m.bodies[index - m.imported.func];
    return {
      index,
      names: [...new Set(own.flatMap((s) => s.name ?? []))],
      local: own.every((s) => symbolBinding(s) === 'local'),
      body,
      references: body === undefined ? [] : within(code, body),
    };
  });
}

const anonymousName = /^(\.L|__const\.|switch\.table\.|str(\.\d+)?$|\.str|\.compoundliteral|__unnamed_)/;

function readData(
  m: WasmModule,
  symbols: readonly LinkSymbol[],
  references: readonly Reference[],
  segments: readonly { readonly name: string; readonly alignment: number }[],
): Map<LinkSymbol, BuildData> {
  const found = new Map<LinkSymbol, BuildData>();
  for (const s of symbols) {
    const segment = s.index === undefined ? undefined : m.data[s.index];
    if (s.kind !== 'data' || s.index === undefined || segment === undefined || s.name === undefined) continue;
    const start = segmentAddress(m, segment);
    if (start === undefined) continue;
    const content = {
      start: segment.content.start + s.offset,
      end: segment.content.start + s.offset + s.size,
    };
    if (content.end > segment.content.end) continue;
    const info = segments[s.index];
    found.set(s, {
      name: s.name,
      local: symbolBinding(s) === 'local',
      anonymous: anonymousName.test(s.name),
      writable: !(info?.name.startsWith('.rodata') ?? false),
      address: start + s.offset,
      size: s.size,
      content,
      references: within(references, content),
      alignment: 2 ** (info?.alignment ?? 4),
    });
  }
  return found;
}
