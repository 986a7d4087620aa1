// Are a module's relocations those of this very code? They are not where a tool rewrote the code after the link and left
// `linking` and `reloc.*` behind, as clang's driver does when it finds wasm-opt in PATH. Whoever takes immediates for
// symbols asks here first. Looked at are code and data; debug sections, which nothing runs, are not.

import { readLinking } from './linking.ts';
import type { Range, WasmModule } from './module.ts';
import { type Relocation, type RelocationSection, readRelocated, readRelocations } from './relocations.ts';
import { sectionIds } from './sections.ts';
import { hasFlag, isNobody, type LinkSymbol, segmentAddress } from './symbols.ts';
import { tableContents } from './table-contents.ts';

/** One relocation that does not hold. */
export interface RelocationFault {
  /** The `reloc.*` section. */
  readonly section: string;
  readonly type: string;
  /** Offset of the field in the file, or of the section where the whole section is wrong. */
  readonly offset: number;
  readonly what: string;
}

export type RelocationCheck =
  /** The module has no relocations that could be trusted or not. */
  | { readonly kind: 'none'; readonly missing: 'linking' | 'reloc.CODE' }
  /** All hold. `unverified` of them have a value that only the loader knows, or that nothing here can tell. */
  | { readonly kind: 'sound'; readonly relocations: number; readonly unverified: number }
  /** Some do not hold, so none can be trusted: the code was rewritten after the link. `faults` are the first few. */
  | {
      readonly kind: 'stale';
      readonly relocations: number;
      readonly wrong: number;
      readonly faults: readonly RelocationFault[];
    };

const faultsKept = 8;

/**
 * Checks every code and data relocation: the field stands inside one function body or data segment, is padded as a
 * linker pads it, and holds the value of its symbol. Linear in the module, but for a search by halves.
 * @throws WGRAFT_ERR_WASM_MALFORMED if `linking` or `reloc.*` cannot be read at all
 */
export function checkRelocations(m: WasmModule): RelocationCheck {
  const linking = readLinking(m);
  if (linking === undefined) return { kind: 'none', missing: 'linking' };
  const sections = readRelocations(m).filter(
    ({ name, target }) => !name.startsWith('reloc..') && (target === undefined || target.id !== 0),
  );
  if (!sections.some((s) => s.name === 'reloc.CODE')) return { kind: 'none', missing: 'reloc.CODE' };
  const check = new Check(m, linking.symbols);
  for (const section of sections) check.section(section);
  return check.result();
}

class Check {
  readonly #m: WasmModule;
  readonly #symbols: readonly LinkSymbol[];
  /** Where each data segment starts in memory, and where its bytes stand in the file. */
  readonly #segments: readonly (number | undefined)[];
  readonly #contents: readonly Range[];
  readonly #tableEntries: ReadonlyMap<number, number | undefined>;
  /** Bases that only the loader knows, as the first relocation implies them; all others have to agree. */
  readonly #implied = new Map<string, number>();
  readonly #faults: RelocationFault[] = [];
  #relocations = 0;
  #unverified = 0;
  #wrong = 0;

  constructor(m: WasmModule, symbols: readonly LinkSymbol[]) {
    this.#m = m;
    this.#symbols = symbols;
    this.#segments = m.data.map((segment) => segmentAddress(m, segment));
    this.#contents = m.data.map((segment) => segment.content);
    this.#tableEntries = tableContents(m);
  }

  result(): RelocationCheck {
    const relocations = this.#relocations;
    if (this.#wrong === 0) return { kind: 'sound', relocations, unverified: this.#unverified };
    return { kind: 'stale', relocations, wrong: this.#wrong, faults: this.#faults };
  }

  section({ name, target, entries }: RelocationSection): void {
    const ranges =
      target?.id === sectionIds.code
        ? this.#m.bodies
        : target?.id === sectionIds.data
          ? this.#contents
          : undefined;
    this.#relocations += entries.length;
    if (target === undefined || ranges === undefined) {
      this.#wrong += Math.max(1, entries.length);
      const what = `its target is ${target === undefined ? 'missing' : `section "${target.name}"`}, which holds no fields`;
      this.#keep({ section: name, type: '-', offset: target?.start ?? 0, what });
      return;
    }
    for (const entry of entries) {
      const at = target.payload + entry.offset;
      const what = this.#siteFault(entry, at, ranges) ?? this.#valueFault(entry, at);
      if (what === undefined) continue;
      this.#wrong += 1;
      this.#keep({ section: name, type: entry.type.name, offset: at, what });
    }
  }

  #keep(fault: RelocationFault): void {
    if (this.#faults.length < faultsKept) this.#faults.push(fault);
  }

  #siteFault(entry: Relocation, at: number, ranges: readonly Range[]): string | undefined {
    const range = ranges[rangeAround(ranges, at)];
    if (range === undefined) return 'the field stands outside all bodies and segments';
    if (at + entry.type.width > range.end) return 'the field reaches over the end of its body or segment';
    return undefined;
  }

  #valueFault(entry: Relocation, at: number): string | undefined {
    const { type } = entry;
    const found = readRelocated(this.#m.bytes, at, type);
    if (found === undefined) return `the field is no LEB128 of ${type.width} bytes`;
    const expected = this.#expected(entry, at, found);
    if (typeof expected === 'string') return expected;
    if (expected === undefined) {
      this.#unverified += 1;
      return undefined;
    }
    if (wrap(found, type.bits) === wrap(expected, type.bits)) return undefined;
    return `the field holds ${found}, ${this.#show(entry)} is ${expected}`;
  }

  /** The value that the field must hold; undefined = cannot be told; a text = there can be no right value. */
  #expected(entry: Relocation, at: number, found: number): number | string | undefined {
    const { type, index } = entry;
    if (type.target === 'type') {
      return index < this.#m.types.length ? index : `type ${index} does not exist`;
    }
    const symbol = this.#symbols[index];
    if (symbol === undefined) return `symbol ${index} does not exist`;
    switch (type.target) {
      case 'memory':
        return symbol.kind === 'data' ? this.#address(entry, symbol, at, found) : wrongKind(symbol, 'data');
      case 'table-entry':
        return symbol.kind === 'func' ? this.#tableEntry(entry, symbol, found) : wrongKind(symbol, 'func');
      case 'global':
        // Of data and functions it is the global with their address (a GOT entry), which the symbol table does not name.
        if (symbol.kind === 'global') return symbol.index;
        return found < this.#m.globals.length ? undefined : `global ${found} does not exist`;
      case 'func':
      case 'tag':
      case 'table':
        return symbol.kind === type.target ? symbol.index : wrongKind(symbol, type.target);
      case 'code-offset':
      case 'section-offset':
        return undefined; // debug information; no code or data has them
    }
  }

  #address(entry: Relocation, symbol: LinkSymbol, at: number, found: number): number | string | undefined {
    if (hasFlag(symbol, 'undefined')) return 0;
    const place = symbol.offset + entry.addend;
    if (hasFlag(symbol, 'absolute')) return place;
    const segment = symbol.index === undefined ? undefined : this.#m.data[symbol.index];
    if (symbol.index === undefined || segment === undefined) return `"${symbol.name}" is in no segment`;
    const length = segment.content.end - segment.content.start;
    if (symbol.offset + symbol.size > length) return `"${symbol.name}" reaches over the end of its segment`;
    if (entry.type.origin === 'site') return this.#distance(place, symbol.index, at);
    const own = entry.type.origin === 'thread' ? undefined : this.#segments[symbol.index];
    if (own !== undefined) return own + place;
    return this.#impliedBase(`${entry.type.origin} ${symbol.index}`, found, place);
  }

  /** From the field to the symbol, both in memory. */
  #distance(place: number, segment: number, at: number): number | undefined {
    const here = rangeAround(this.#contents, at);
    const [from, to] = [this.#segments[here], this.#segments[segment]];
    const inside = at - (this.#contents[here]?.start ?? at);
    if (here === segment) return place - inside;
    return from === undefined || to === undefined ? undefined : to + place - (from + inside);
  }

  /** Table entries count from the start of a segment where the table is the loader's. */
  #tableEntry(entry: Relocation, symbol: LinkSymbol, found: number): number | string | undefined {
    const named = this.#tableEntries.get(found);
    if (named !== undefined && named === symbol.index) return found;
    if (found === 0 && isNobody(symbol)) return 0;
    if (this.#tableEntries.size > 0 && entry.type.origin === 'zero')
      return `table entry ${found} is not "${symbol.name}"`;
    return undefined;
  }

  #impliedBase(key: string, found: number, place: number): number | undefined {
    const known = this.#implied.get(key);
    if (known !== undefined) return known + place;
    this.#implied.set(key, found - place);
    return undefined;
  }

  #show({ type, index, addend }: Relocation): string {
    const symbol = type.target === 'type' ? `type ${index}` : `"${this.#symbols[index]?.name ?? index}"`;
    return addend === 0 ? symbol : `${symbol} ${addend < 0 ? '-' : '+'} ${Math.abs(addend)}`;
  }
}

function wrongKind(symbol: LinkSymbol, wanted: string): string {
  return `"${symbol.name}" is a ${symbol.kind} symbol, not a ${wanted} symbol`;
}

function wrap(value: number, bits: 32 | 64): number {
  return bits === 32 ? value >>> 0 : value;
}

/** Which range holds this offset, else -1; ranges are in file order and do not overlap. */
function rangeAround(ranges: readonly Range[], at: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.end ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return at >= (ranges[low]?.start ?? Number.POSITIVE_INFINITY) ? low : -1;
}
