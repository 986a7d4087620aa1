// Units of `.debug_info`: one for each source file that was compiled with debug information.
//
//   unit := length:u32 version:u16 [type:u8 address:u8 abbreviations:u32]          version 5; then 8 or 12 bytes for some types
//                                  [abbreviations:u32 address:u8]                  versions 2 to 4
//           entry*                                                                 the first one describes the unit

import type { Reader } from '../index.ts';
import { type Abbreviations, readAbbreviations } from './abbreviations.ts';
import { attribute } from './constants.ts';
import { Entries, type Entry } from './entries.ts';
import type { DebugSections } from './sections.ts';

export interface Unit {
  /** Offset of its header in the file: references within it count from here. */
  readonly start: number;
  /** Of its first entry. */
  readonly entries: number;
  readonly end: number;
  readonly version: number;
  readonly addressSize: number;
  readonly abbreviations: Abbreviations;
  /** Where its part of `.debug_str_offsets` and of `.debug_addr` starts, for texts and addresses given by number. */
  readonly textsBase: number;
  readonly addressesBase: number;
}

/** Reads the headers of all units. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readUnits(s: DebugSections): Unit[] {
  const units: Unit[] = [];
  const tables = new Map<string, Abbreviations>();
  for (const r = s.reader('.debug_info'); !r.done; ) {
    const unit = readUnit(s, r, tables);
    r.at = unit.end;
    if (unit.entries < unit.end) units.push(withBases(s, unit));
  }
  return units;
}

function readUnit(s: DebugSections, r: Reader, tables: Map<string, Abbreviations>): Unit {
  const start = r.at;
  const length = s.fixed(r, 4);
  if (length >= 0xfffffff0) r.fail('debug information in the 64-bit format is not read', start);
  const end = r.at + length;
  if (end > r.end) r.fail('a unit of debug information is longer than its section', start);
  const version = s.fixed(r, 2);
  if (version < 2 || version > 5) r.fail(`debug information of DWARF version ${version} is not read`, start);
  const type = version === 5 ? s.fixed(r, 1) : 1;
  let addressSize = version === 5 ? s.fixed(r, 1) : 0;
  const table = s.fixed(r, 4);
  if (version < 5) addressSize = s.fixed(r, 1);
  if (addressSize !== 4 && addressSize !== 8) r.fail(`addresses of ${addressSize} bytes`, start);
  // Skeletons and split units have an id, type units a signature and an offset.
  if (type === 4 || type === 5) r.skip(8);
  if (type === 2 || type === 6) r.skip(12);
  const key = `${table} ${addressSize}`;
  const abbreviations = tables.get(key) ?? readAbbreviations(s, table, addressSize);
  tables.set(key, abbreviations);
  return { start, entries: r.at, end, version, addressSize, abbreviations, textsBase: 8, addressesBase: 8 };
}

function withBases(s: DebugSections, unit: Unit): Unit {
  if (unit.version < 5) return unit;
  const entries = new Entries(s);
  const root = entries.at(unit, unit.entries);
  if (root === undefined) return unit;
  const textsBase = entries.number(root, attribute.strOffsetsBase) ?? unit.textsBase;
  const addressesBase = entries.number(root, attribute.addrBase) ?? unit.addressesBase;
  return { ...unit, textsBase, addressesBase };
}

/** The unit that the offset stands in. */
export function unitAt(units: readonly Unit[], offset: number): Unit | undefined {
  let low = 0;
  for (let high = units.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((units[middle]?.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  const found = units[low];
  return found !== undefined && offset >= found.entries ? found : undefined;
}

/** The entry that describes the unit. */
export function rootOf(entries: Entries, unit: Unit): Entry | undefined {
  return entries.at(unit, unit.entries);
}
