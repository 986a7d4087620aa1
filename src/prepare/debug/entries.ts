// `.debug_info` of a prepared module: rewritten in place, because addresses, sizes and references have fixed widths. What it
// names in other sections is collected first, because the references can be written only when those have moved.

import {
  type AttributeForm,
  attribute,
  type DebugSectionName,
  type DebugSections,
  Entries,
  type Entry,
  form,
  readUnits,
  readValue,
  rootOf,
  skipValue,
  type Unit,
} from '../../wasm/dwarf/index.ts';
import { Reader } from '../../wasm/index.ts';
import type { AddressMap } from './address-map.ts';
import type { AddressTable } from './address-table.ts';
import { addressSize, isAddress, isSize, type Layout, Layouts } from './entry-layout.ts';
import { put32 } from './fixed.ts';
import type { ListUse, ListUses } from './lists.ts';

interface Reference {
  readonly at: number;
  readonly section: DebugSectionName;
  readonly offset: number;
}

/** Attributes that are offsets, and do not name a list of locations. */
const inOther: ReadonlySet<number> = new Set([attribute.strOffsetsBase, attribute.addrBase]);
/** From here on attributes are a vendor's own. */
const firstVendor = 0x2000;

export class EntryMover {
  readonly #sections: DebugSections;
  readonly #entries: Entries;
  readonly #map: AddressMap;
  readonly #addresses: AddressTable;
  readonly #origin: number;
  readonly #bytes: Uint8Array;
  readonly #uses = new Map<DebugSectionName, Map<number, ListUse>>();
  readonly #references: Reference[] = [];
  readonly #layouts = new Layouts();

  /** Rewrites all but the references. @throws WGRAFT_ERR_WASM_MALFORMED */
  constructor(s: DebugSections, map: AddressMap, addresses: AddressTable) {
    this.#sections = s;
    this.#entries = new Entries(s);
    this.#map = map;
    this.#addresses = addresses;
    const r = s.reader('.debug_info');
    this.#origin = r.at;
    this.#bytes = r.take(r.left).slice();
    for (const unit of readUnits(s)) this.#moveUnit(unit);
  }

  /** The lists of a section that entries name. */
  uses(section: DebugSectionName): ListUses {
    return this.#uses.get(section) ?? new Map();
  }

  /** The section, with references to where things stand now. */
  moved(offsets: ReadonlyMap<DebugSectionName, ReadonlyMap<number, number>>): Uint8Array {
    for (const { at, section, offset } of this.#references) {
      const to = offsets.get(section)?.get(offset);
      if (to === undefined) this.#fail('debug information names what is not there', at);
      put32(this.#bytes, at - this.#origin, to);
    }
    return this.#bytes;
  }

  #fail(what: string, at: number): never {
    return new Reader(this.#sections.module.bytes).fail(what, at);
  }

  #moveUnit(unit: Unit): void {
    const root = rootOf(this.#entries, unit);
    if (root === undefined) return;
    if (unit.addressSize !== addressSize)
      this.#fail('debug information with addresses of 8 bytes', unit.start);
    const base = this.#entries.address(root, attribute.lowPc) ?? 0;
    const bases: ListBases = {
      use: { unit, base },
      ranges: this.#entries.number(root, attribute.rnglistsBase),
      locations: this.#entries.number(root, attribute.loclistsBase),
    };
    const layouts = this.#layouts.of(unit);
    const r = new Reader(this.#sections.module.bytes, unit.entries, unit.end);
    while (r.at < unit.end) {
      const offset = r.at;
      const code = r.u32();
      if (code === 0) continue; // the end of a list of children
      const layout = layouts[code];
      if (layout === undefined) this.#fail(`unknown abbreviation ${code} in the debug information`, offset);
      if (layout.steps.length > 0) this.#moveEntry(r, layout, { offset, bases });
      r.skip(layout.rest);
    }
  }

  #moveEntry(
    r: Reader,
    { abbreviation, steps }: Layout,
    { offset, bases }: { readonly offset: number; readonly bases: ListBases },
  ): void {
    const values = r.at;
    for (const { skip, attribute: a, moves } of steps) {
      r.skip(skip);
      if (!moves) {
        skipValue(this.#sections, r, a.form, addressSize);
        continue;
      }
      if (a.form === form.indirect) r.fail('debug information with indirect forms');
      const at = r.at;
      const { value } = readValue(this.#sections, r, a.form, { implicit: a.implicit, addressSize });
      const { unit } = bases.use;
      if (isSize(a.name) && !isAddress(a.form))
        this.#moveSize({ unit, offset, abbreviation, values }, a.form, { value, at, end: r.at });
      else this.#moveValue(a, { value, at }, bases);
    }
  }

  #moveValue({ name, form: f }: AttributeForm, { value, at }: Found, bases: ListBases): void {
    const { unit } = bases.use;
    // A constant that is an address is one of data.
    if (isAddress(f)) {
      if (name === attribute.constValue) return;
      if (f === form.addr) put32(this.#bytes, at - this.#origin, this.#map.of(value));
      else this.#addresses.code(unit, value);
    } else if (f === form.rnglistx)
      this.#useIndexed('.debug_rnglists', bases.ranges, { value, at }, bases.use);
    else if (f === form.loclistx)
      this.#useIndexed('.debug_loclists', bases.locations, { value, at }, bases.use);
    else this.#moveOffset(name, { value, at }, bases.use);
  }

  /** DW_AT_high_pc and DW_AT_entry_pc, where they count from DW_AT_low_pc. */
  #moveSize(entry: Entry, f: number, { value, at, end }: Found & { readonly end: number }): void {
    const low = this.#entries.address(entry, attribute.lowPc);
    const size = low === undefined ? value : this.#map.size(low, value);
    if (size === value) return;
    const width = end - at;
    const isLeb = f === form.udata;
    const plain = isLeb || f === form.data1 || f === form.data2 || f === form.data4 || f === form.data8;
    if (!plain || size >= 2 ** (width * (isLeb ? 7 : 8)))
      this.#fail('the size of a function has no room to grow', at);
    let left = size;
    for (let i = at - this.#origin; i < end - this.#origin; i += 1) {
      const bits = isLeb ? 0x80 : 0x100;
      this.#bytes[i] = (left % bits) + (isLeb && i + 1 < end - this.#origin ? 0x80 : 0);
      left = Math.floor(left / bits);
    }
  }

  #moveOffset(name: number, { value: offset, at }: Found, use: ListUse): void {
    if (inOther.has(name)) return;
    if (name === attribute.stmtList) this.#refer('.debug_line', offset, at);
    else if (name === attribute.rnglistsBase) this.#refer('.debug_rnglists', offset, at);
    else if (name === attribute.loclistsBase) this.#refer('.debug_loclists', offset, at);
    else if (name >= firstVendor || name === attribute.macros || name === attribute.macroInfo)
      this.#fail(`debug information with attribute 0x${name.toString(16)}`, at);
    else if (use.unit.version < 5)
      this.#use(name === attribute.ranges ? '.debug_ranges' : '.debug_loc', offset, use);
    else {
      const section = name === attribute.ranges ? '.debug_rnglists' : '.debug_loclists';
      this.#use(section, offset, use);
      this.#refer(section, offset, at);
    }
  }

  #refer(section: DebugSectionName, offset: number, at: number): void {
    this.#references.push({ at, section, offset });
  }

  #use(section: DebugSectionName, offset: number, use: ListUse): void {
    const uses = this.#uses.get(section);
    if (uses === undefined) this.#uses.set(section, new Map([[offset, use]]));
    else uses.set(offset, use);
  }

  #useIndexed(
    section: '.debug_rnglists' | '.debug_loclists',
    base: number | undefined,
    { value, at }: Found,
    use: ListUse,
  ): void {
    if (base === undefined) this.#fail('debug information names a list by number and has no lists', at);
    const r = this.#sections.reader(section, base + 4 * value);
    this.#use(section, base + this.#sections.fixed(r, 4), use);
  }
}

interface ListBases {
  readonly use: ListUse;
  readonly ranges: number | undefined;
  readonly locations: number | undefined;
}

interface Found {
  readonly value: number;
  readonly at: number;
}
