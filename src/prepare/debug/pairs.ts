// Lists of DWARF 2 to 4 (`.debug_ranges`, `.debug_loc`) and `.debug_aranges`: pairs of 4-byte numbers, rewritten in place.
//
//   list := (start:u32 end:u32 [size:u16 expression])* 0 0      start = 0xffffffff: end is what the others count from

import type { DebugSections } from '../../wasm/dwarf/index.ts';
import type { AddressMap } from './address-map.ts';
import { put32 } from './fixed.ts';
import type { ListUses } from './lists.ts';

const baseFollows = 0xffffffff;

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function movePairs(
  s: DebugSections,
  name: '.debug_ranges' | '.debug_loc',
  { uses, map }: { readonly uses: ListUses; readonly map: AddressMap },
): Uint8Array {
  const all = s.reader(name);
  const origin = all.at;
  const bytes = all.take(all.left).slice();
  for (const [offset, use] of uses) {
    let { base } = use;
    const r = s.reader(name, offset);
    const first = r.at;
    for (;;) {
      const at = r.at - origin;
      const [start, end] = [s.fixed(r, 4), s.fixed(r, 4)];
      if (start === 0 && end === 0) break;
      if (start === baseFollows) {
        base = end;
        put32(bytes, at + 4, map.of(base));
        continue;
      }
      put32(bytes, at, map.of(base + start) - map.of(base));
      put32(bytes, at + 4, map.of(base + end) - map.of(base));
      if (name === '.debug_loc') r.skip(s.fixed(r, 2));
    }
    s.charge(r, r.at - first);
  }
  return bytes;
}

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function moveAranges(s: DebugSections, map: AddressMap): Uint8Array {
  const r = s.reader('.debug_aranges');
  const origin = r.at;
  const bytes = r.bytes.slice(r.at, r.end);
  while (!r.done) {
    const start = r.at;
    const length = s.fixed(r, 4);
    const set = r.sub(length, 'a set of address ranges');
    set.skip(6);
    if (s.fixed(set, 1) !== 4 || s.fixed(set, 1) !== 0) set.fail('address ranges that are not of 4 bytes');
    // Pairs stand at multiples of their size, counted from the start of the set.
    set.skip((8 - ((set.at - start) % 8)) % 8);
    while (set.left >= 8) {
      const at = set.at - origin;
      const [address, size] = [s.fixed(set, 4), s.fixed(set, 4)];
      if (address === 0 && size === 0) break;
      put32(bytes, at, map.of(address));
      put32(bytes, at + 4, map.size(address, size));
    }
  }
  return bytes;
}
