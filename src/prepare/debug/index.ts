// Debug information of a prepared module: guards move code, and whatever names addresses of code moves along. All of it stays
// right, or all of it is left out.

import { WgraftError } from '../../errors.ts';
import { type DebugSectionName, DebugSections } from '../../wasm/dwarf/index.ts';
import type { WasmModule } from '../../wasm/index.ts';
import type { AddressMap } from './address-map.ts';
import { AddressTable } from './address-table.ts';
import { EntryMover } from './entries.ts';
import type { MovedSection } from './fixed.ts';
import { moveLines } from './lines.ts';
import { moveLists } from './lists.ts';
import { moveAranges, movePairs } from './pairs.ts';

export { AddressMap } from './address-map.ts';

/** Sections that name no address of code, and nothing that moves. */
const unmoved: ReadonlySet<string> = new Set([
  '.debug_abbrev',
  '.debug_str',
  '.debug_line_str',
  '.debug_str_offsets',
  '.debug_names',
  '.debug_pubnames',
  '.debug_pubtypes',
  '.debug_gnu_pubnames',
  '.debug_gnu_pubtypes',
]);

export function isDebugSection(name: string): boolean {
  return name.startsWith('.debug_');
}

/**
 * The payloads of the module's debug sections behind the guards, by name; none where they cannot be kept right: damaged ones,
 * split ones, those of the 64-bit format or with addresses of 8 bytes, and sections that are not known here.
 */
export function moveDebugInfo(m: WasmModule, map: () => AddressMap): ReadonlyMap<string, Uint8Array> {
  const names = m.sections.filter((s) => isDebugSection(s.name)).map((s) => s.name);
  if (!names.includes('.debug_info') || new Set(names).size < names.length) return new Map();
  try {
    const moved = moveSections(new DebugSections(m), map());
    for (const name of names) if (!moved.has(name)) return new Map();
    return moved;
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) return new Map();
    throw error;
  }
}

function moveSections(s: DebugSections, map: AddressMap): Map<string, Uint8Array> {
  const { bytes, sections } = s.module;
  const moved = new Map<string, Uint8Array>();
  const offsets = new Map<DebugSectionName, ReadonlyMap<number, number>>();
  for (const { name, payload, end } of sections)
    if (unmoved.has(name)) moved.set(name, bytes.subarray(payload, end));
  const addresses = new AddressTable(s);
  const entries = new EntryMover(s, map, addresses);
  const add = (name: DebugSectionName, move: () => MovedSection): void => {
    if (!s.has(name)) return;
    const section = move();
    moved.set(name, section.bytes);
    offsets.set(name, section.offsets);
  };
  add('.debug_line', () => moveLines(s, map));
  for (const name of ['.debug_rnglists', '.debug_loclists'] as const)
    add(name, () => moveLists({ s, map, addresses, uses: entries.uses(name) }, name));
  for (const name of ['.debug_ranges', '.debug_loc'] as const)
    if (s.has(name)) moved.set(name, movePairs(s, name, { map, uses: entries.uses(name) }));
  if (s.has('.debug_aranges')) moved.set('.debug_aranges', moveAranges(s, map));
  if (s.has('.debug_addr')) moved.set('.debug_addr', addresses.moved(map));
  moved.set('.debug_info', entries.moved(offsets));
  return moved;
}
