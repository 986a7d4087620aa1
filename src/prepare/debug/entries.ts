// `.debug_info` of a prepared module: rewritten in place, because addresses, sizes and references have fixed widths. What it
// names in other sections is collected first, because the references can be written only when those have moved.

import {
  type Abbreviation,
  type AttributeForm,
  attribute,
  type DebugSectionName,
  type DebugSections,
  Entries,
  type Entry,
  form,
  isAddressIndex,
  readUnits,
  readValue,
  rootOf,
  type Unit,
  type Value,
} from '../../wasm/dwarf/index.ts';
import { Reader } from '../../wasm/index.ts';
import type { AddressMap } from './address-map.ts';
import type { AddressTable } from './address-table.ts';
import { put32 } from './fixed.ts';
import type { ListUse, ListUses } from './lists.ts';

interface Reference {
  readonly at: number;
  readonly section: DebugSectionName;
  readonly offset: number;
}

/** Attributes that are offsets, and do not name a list of locations. */
const inOther: ReadonlySet<number> = new Set([attribute.strOffsetsBase, attribute.addrBase]);
/** In versions 2 and 3, whose offsets have the form of plain numbers: those that may be locations. */
const oldLocations: ReadonlySet<number> = new Set([0x02, 0x19, 0x2a, 0x40, 0x46, 0x48, 0x4a]);
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
  readonly #interesting = new Map<Abbreviation, boolean>();

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
    if (unit.addressSize !== 4) this.#fail('debug information with addresses of 8 bytes', unit.start);
    const base = this.#entries.address(root, attribute.lowPc) ?? 0;
    const bases: ListBases = {
      use: { unit, base },
      ranges: this.#entries.number(root, attribute.rnglistsBase),
      locations: this.#entries.number(root, attribute.loclistsBase),
    };
    this.#entries.walk(unit, (entry) => {
      if (this.#isInteresting(entry.abbreviation, unit)) this.#moveEntry(entry, bases);
    });
  }

  /** Has it attributes that move? Most entries have none. */
  #isInteresting(abbreviation: Abbreviation, unit: Unit): boolean {
    const known = this.#interesting.get(abbreviation);
    if (known !== undefined) return known;
    const found = abbreviation.attributes.some(
      ({ name, form: f }) =>
        f === form.addr ||
        isAddressIndex(f) ||
        f === form.indirect ||
        f === form.rnglistx ||
        f === form.loclistx ||
        isSize(name) ||
        isOffset(name, f, unit),
    );
    this.#interesting.set(abbreviation, found);
    return found;
  }

  #moveEntry(entry: Entry, bases: ListBases): void {
    const { unit, abbreviation, values } = entry;
    const r = new Reader(this.#sections.module.bytes, values, unit.end);
    for (const a of abbreviation.attributes) {
      if (a.form === form.indirect) r.fail('debug information with indirect forms');
      const at = r.at;
      const value = readValue(this.#sections, r, a.form, {
        implicit: a.implicit,
        addressSize: unit.addressSize,
      });
      this.#moveValue(entry, a, { ...value, at, end: r.at }, bases);
    }
  }

  #moveValue(entry: Entry, { name, form: f }: AttributeForm, found: Found, bases: ListBases): void {
    const { unit } = entry;
    // A constant that is an address is one of data.
    if (f === form.addr || isAddressIndex(f)) {
      if (name === attribute.constValue) return;
      if (f === form.addr) put32(this.#bytes, found.at - this.#origin, this.#map.of(found.value));
      else this.#addresses.code(unit, found.value);
    } else if (isSize(name)) this.#moveSize(entry, found);
    else if (f === form.rnglistx) this.#useIndexed('.debug_rnglists', bases.ranges, found, bases.use);
    else if (f === form.loclistx) this.#useIndexed('.debug_loclists', bases.locations, found, bases.use);
    else if (isOffset(name, f, unit)) this.#moveOffset(name, found, bases.use);
  }

  /** DW_AT_high_pc and DW_AT_entry_pc, where they count from DW_AT_low_pc. */
  #moveSize(entry: Entry, { form: f, value, at, end }: Found): void {
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
    const isNew = use.unit.version >= 5;
    const refer = (section: DebugSectionName): void => void this.#references.push({ at, section, offset });
    if (inOther.has(name)) return;
    if (name === attribute.stmtList) refer('.debug_line');
    else if (name === attribute.rnglistsBase) refer('.debug_rnglists');
    else if (name === attribute.loclistsBase) refer('.debug_loclists');
    else if (name >= firstVendor || name === attribute.macros || name === attribute.macroInfo)
      this.#fail(`debug information with attribute 0x${name.toString(16)}`, at);
    else {
      const isRanges = name === attribute.ranges;
      const old = isRanges ? '.debug_ranges' : '.debug_loc';
      const section = isNew ? (isRanges ? '.debug_rnglists' : '.debug_loclists') : old;
      this.#use(section, offset, use);
      if (isNew) refer(section);
    }
  }

  #use(section: DebugSectionName, offset: number, use: ListUse): void {
    const uses = this.#uses.get(section) ?? new Map<number, ListUse>();
    this.#uses.set(section, uses.set(offset, use));
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

type Found = Value & { readonly at: number; readonly end: number };

function isSize(name: number): boolean {
  return name === attribute.highPc || name === attribute.entryPc;
}

function isOffset(name: number, f: number, { version }: Unit): boolean {
  if (f === form.secOffset) return true;
  const couldBe = name === attribute.stmtList || name === attribute.ranges || oldLocations.has(name);
  return version < 4 && f === form.data4 && couldBe;
}
