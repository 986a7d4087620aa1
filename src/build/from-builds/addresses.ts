// What an address in the new build's code or data is in the running program: a number of the old build, which never moves, or
// a place in what the patch brings, which is known when the patch is staged.

import { hash } from 'node:crypto';
import { WgraftError } from '../../errors.ts';
import { type FuncIndex, hasFlag, isNobody, type LinkSymbol, op, Reader } from '../../wasm/index.ts';
import type { Build, BuildData, Reference } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';

export type Address =
  | { readonly kind: 'number'; readonly value: number }
  /** Counted from the start of the patch's data. */
  | { readonly kind: 'own-data'; readonly offset: number }
  /** An own function, which gets a place in the program's table. */
  | { readonly kind: 'own-function'; readonly index: FuncIndex }
  /** A function of the program that stands nowhere in its table yet; prepared index. */
  | { readonly kind: 'program-function'; readonly index: FuncIndex };

/** An address that is known when the patch is staged. */
export type OpenAddress = Exclude<Address, { kind: 'number' }>;

export interface OwnData {
  readonly data: BuildData;
  readonly offset: number;
}

export interface FunctionPlaces {
  /** Prepared index of the program's function that a function of the new build is; undefined for the patch's own. */
  programFunction(index: FuncIndex): FuncIndex | undefined;
  /** The same function in the old build. */
  oldFunction(index: FuncIndex): FuncIndex | undefined;
}

export class Addresses {
  readonly #comparison: Comparison;
  readonly #places: FunctionPlaces;
  readonly #own = new Map<BuildData, OwnData>();
  readonly #oldPlaces: ReadonlyMap<FuncIndex, number>;
  /** The old build's constants without a name of their own, by content: made when the first is looked for. */
  #constants: ReadonlyMap<string, readonly BuildData[]> | undefined;
  #size = 0;
  #alignment = 1;

  constructor(comparison: Comparison, places: FunctionPlaces) {
    this.#comparison = comparison;
    this.#places = places;
    this.#oldPlaces = tablePlaces(comparison);
  }

  /** Data that the patch brings, in the order of its places. */
  get own(): readonly OwnData[] {
    return [...this.#own.values()];
  }

  get sizeBytes(): number {
    return this.#size;
  }

  get alignBytes(): number {
    return this.#alignment;
  }

  /** New variables, which hold what the new build starts them with. */
  get newVariables(): readonly string[] {
    return this.own.filter(({ data }) => data.writable && !data.anonymous).map(({ data }) => data.name);
  }

  /** @throws WGRAFT_ERR_SYMBOL_AMBIGUOUS, WGRAFT_ERR_SYMBOLS_UNSUITABLE */
  of({ relocation, symbol }: Reference): Address {
    if (symbol === undefined) return refuse('a relocation without a symbol');
    if (relocation.type.origin === 'thread' || relocation.type.origin === 'site')
      return refuse(`a relocation of type ${relocation.type.name}`);
    return symbol.kind === 'func' ? this.#function(symbol) : this.#memory(symbol, relocation.addend);
  }

  /**
   * What position-independent code adds to the address by itself: the new build's base, 0 for all other code. Where the build
   * has no base, nothing adds one: distances are only compared with each other.
   */
  baseOf({ relocation: { type } }: Reference): number {
    if (type.origin !== 'module') return 0;
    const name = type.target === 'table-entry' ? '__table_base' : '__memory_base';
    return this.#comparison.new.absolute.get(name) ?? 0;
  }

  #function(symbol: LinkSymbol): Address {
    const next = this.#comparison.new;
    // An import is not defined either, but it is somebody.
    const nobody = isNobody(symbol) && (symbol.index ?? 0) >= next.module.imported.func;
    if (symbol.index === undefined || nobody) return { kind: 'number', value: 0 };
    const program = this.#places.programFunction(symbol.index);
    if (program === undefined) {
      const f = next.functions[symbol.index];
      if (f !== undefined && this.#comparison.correlation.ambiguous.has(f))
        throw new WgraftError('WGRAFT_ERR_SYMBOL_AMBIGUOUS', { symbol: f.names[0] ?? `#${f.index}` });
      return { kind: 'own-function', index: symbol.index };
    }
    const place = this.#oldPlaces.get(this.#places.oldFunction(symbol.index) ?? -1);
    return place === undefined
      ? { kind: 'program-function', index: program }
      : { kind: 'number', value: place };
  }

  #memory(symbol: LinkSymbol, addend: number): Address {
    const data = this.#comparison.new.dataOf.get(symbol);
    if (data === undefined) return { kind: 'number', value: this.#absolute(symbol) + addend };
    const old = this.#sameInProgram(data);
    if (old !== undefined) return { kind: 'number', value: old.address + addend };
    return { kind: 'own-data', offset: this.#place(data) + addend };
  }

  /** Addresses outside all data, like the start of the heap: what the linker made them in the old build. */
  #absolute(symbol: LinkSymbol): number {
    if (hasFlag(symbol, 'undefined')) return 0;
    if (!hasFlag(symbol, 'absolute')) return refuse(`data symbol "${symbol.name}" without a place`);
    // A base is what the code was linked for, not a place in the program: see baseOf.
    const isBase = symbol.name === '__memory_base' || symbol.name === '__table_base';
    const { absolute } = isBase ? this.#comparison.new : this.#comparison.old;
    const value = absolute.get(symbol.name ?? '');
    return value ?? refuse(`"${symbol.name}", whose value the old build does not tell`);
  }

  /** The program's data that this is: the same variable, or a constant with the same bytes. */
  #sameInProgram(data: BuildData): BuildData | undefined {
    const { correlation, equality } = this.#comparison;
    const correlated = correlation.data.get(data);
    if (correlated !== undefined) {
      if (equality.data(data, correlated)) return correlated;
      return data.writable ? refuse(`"${data.name}" is writable in one build only`) : undefined;
    }
    if (data.writable && correlation.ambiguous.has(data))
      throw new WgraftError('WGRAFT_ERR_SYMBOL_AMBIGUOUS', { symbol: data.name });
    if (!data.anonymous) return undefined;
    this.#constants ??= constantsByContent(this.#comparison.old);
    const alike = this.#constants.get(contentOf(this.#comparison.new, data));
    return alike?.find((old) => equality.data(data, old));
  }

  #place(data: BuildData): number {
    const known = this.#own.get(data);
    if (known !== undefined) return known.offset;
    const alignment = Math.min(data.alignment, naturalAlignment(data));
    const offset = Math.ceil(this.#size / alignment) * alignment;
    this.#own.set(data, { data, offset });
    this.#size = offset + data.size;
    this.#alignment = Math.max(this.#alignment, alignment);
    return offset;
  }
}

/** What the linker kept of the data's alignment: that of its address, as far as the segment's goes. */
function naturalAlignment({ address }: BuildData): number {
  return address === 0 ? 65536 : 2 ** Math.min(16, Math.log2((address & -address) >>> 0));
}

function tablePlaces({ old }: Comparison): Map<FuncIndex, number> {
  const places = new Map<FuncIndex, number>();
  for (const segment of old.module.elements) {
    if (segment.offset === undefined || segment.table !== 0) continue;
    const start = constantOf(old.module.bytes, segment.offset);
    if (start === undefined) continue;
    segment.functions.forEach((f, i) => {
      if (f !== undefined && !places.has(f)) places.set(f, start + i);
    });
  }
  return places;
}

function constantOf(
  bytes: Uint8Array,
  range: { readonly start: number; readonly end: number },
): number | undefined {
  const r = new Reader(bytes, range.start, range.end);
  return r.u8() === op.i32Const ? r.s32() : undefined;
}

function constantsByContent(build: Build): Map<string, BuildData[]> {
  const found = new Map<string, BuildData[]>();
  for (const data of build.data) {
    if (!data.anonymous || data.writable) continue;
    const key = contentOf(build, data);
    const known = found.get(key);
    if (known === undefined) found.set(key, [data]);
    else known.push(data);
  }
  return found;
}

/** A hash of what stands there besides addresses. */
function contentOf({ module }: Build, { content, references }: BuildData): string {
  const bytes = Buffer.from(module.bytes.subarray(content.start, content.end));
  for (const { at, relocation } of references) {
    const start = at - content.start;
    bytes.fill(0, start, start + relocation.type.width);
  }
  return hash('sha256', bytes, 'latin1');
}

function refuse(what: string): never {
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', {
    reason: `the new build has ${what}, which a patch cannot carry`,
  });
}
