// Lists of DWARF 5: which pieces of code a scope is made of (`.debug_rnglists`), and where a variable is in which piece
// (`.debug_loclists`). Their numbers are LEB128, so that lists grow and those who name them have to be told.
//
//   contribution := length:u32 version:u16 address:u8 segment:u8 count:u32 offset:u32*count list*
//   list         := (kind:u8 operands [size:u32 expression])* 0                 offsets count from the first offset

import type { DebugSections, Unit } from '../../wasm/dwarf/index.ts';
import { Reader, Writer } from '../../wasm/index.ts';
import type { AddressMap } from './address-map.ts';
import type { AddressTable } from './address-table.ts';
import { type MovedSection, put32, write32 } from './fixed.ts';

/** Who names a list. */
export interface ListUse {
  readonly unit: Unit;
  /** What its offsets count from, as long as it says nothing else: where the unit's code starts. */
  readonly base: number;
}

/** By where the list stands in its section. */
export type ListUses = ReadonlyMap<number, ListUse>;

export interface ListContext {
  readonly s: DebugSections;
  readonly map: AddressMap;
  readonly addresses: AddressTable;
  readonly uses: ListUses;
}

type Kind =
  | 'end'
  | 'baseIndex'
  | 'startIndexEndIndex'
  | 'startIndexSize'
  | 'offsets'
  | 'otherwise'
  | 'base'
  | 'startEnd'
  | 'startSize';

const common = ['end', 'baseIndex', 'startIndexEndIndex', 'startIndexSize', 'offsets'] as const;
const rangeKinds: readonly Kind[] = [...common, 'base', 'startEnd', 'startSize'];
const locationKinds: readonly Kind[] = [...common, 'otherwise', 'base', 'startEnd', 'startSize'];

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function moveLists(context: ListContext, name: '.debug_rnglists' | '.debug_loclists'): MovedSection {
  const { s } = context;
  const r = s.reader(name);
  const origin = r.at;
  const out = new Writer((r.left * 5) >> 2);
  const offsets = new Map<number, number>();
  while (!r.done) {
    const [from, to] = [r.at, out.length];
    const length = s.fixed(r, 4);
    const part = r.sub(length, 'lists of debug information');
    part.skip(2);
    if (s.fixed(part, 1) !== 4) part.fail('lists with addresses that are not of 4 bytes');
    part.skip(1);
    const count = s.fixed(part, 4);
    const table = part.at;
    part.skip(4 * count);
    out.copy(r.bytes, from, part.at);
    const [base, newBase] = [table - origin, to + table - from];
    offsets.set(base, newBase);
    while (!part.done) {
      offsets.set(part.at - origin, out.length);
      moveList(context, part, { out, name, use: context.uses.get(part.at - origin) });
    }
    const entries: Reader = new Reader(r.bytes, table, part.end);
    for (let i = 0; i < count; i += 1) {
      const moved = offsets.get(base + s.fixed(entries, 4));
      if (moved === undefined) entries.fail('debug information names a list that is none');
      put32(out.view(), newBase + 4 * i, moved - newBase);
    }
    put32(out.view(), to, out.length - to - 4);
  }
  return { bytes: out.toBytes(), offsets };
}

interface ListTarget {
  readonly out: Writer;
  readonly name: '.debug_rnglists' | '.debug_loclists';
  /** Undefined for a list that nobody names: it is kept as it is. */
  readonly use: ListUse | undefined;
}

function moveList({ s, map, addresses }: ListContext, r: Reader, { out, name, use }: ListTarget): void {
  const kinds = name === '.debug_rnglists' ? rangeKinds : locationKinds;
  const moved = (address: number): number => (use === undefined ? address : map.of(address));
  let base = use?.base ?? 0;
  let newBase = moved(base);
  const sized = (address: number, size: number): number =>
    use === undefined ? size : map.size(address, size);
  const address = (): number => {
    const found = s.fixed(r, 4);
    write32(out, moved(found));
    return found;
  };
  const indexed = (): number => {
    const index = r.u32();
    out.u32(index);
    return use === undefined ? 0 : addresses.code(use.unit, index);
  };
  const offset = (): void => void out.u32(moved(base + r.u32()) - newBase);
  for (;;) {
    const code = r.u8();
    out.u8(code);
    const kind = kinds[code];
    if (kind === 'end') return;
    if (kind === 'baseIndex') base = indexed();
    else if (kind === 'base') base = address();
    else if (kind === 'offsets') [offset(), offset()];
    else if (kind === 'startIndexEndIndex') [indexed(), indexed()];
    else if (kind === 'startIndexSize') out.u32(sized(indexed(), r.u32()));
    else if (kind === 'startEnd') [address(), address()];
    else if (kind === 'startSize') out.u32(sized(address(), r.u32()));
    else if (kind !== 'otherwise') r.fail(`unknown kind ${code} in a list of debug information`);
    if (kind === 'baseIndex' || kind === 'base') newBase = moved(base);
    else if (name === '.debug_loclists') {
      const size = r.u32();
      const expression = r.at;
      r.skip(size);
      out.u32(size).copy(r.bytes, expression, r.at);
    }
  }
}
