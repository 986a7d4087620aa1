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
  const bytes = all.bytes.slice(all.at, all.end);
  const from = new DataView(all.bytes.buffer, all.bytes.byteOffset + all.at, bytes.length);
  const to = new DataView(bytes.buffer);
  for (const [offset, use] of uses) {
    let { base } = use;
    let newBase = map.of(base);
    let at = offset;
    for (;;) {
      if (at + 8 > bytes.length) all.fail('unexpected end of debug information', all.at + at);
      const [start, end] = [from.getUint32(at, true), from.getUint32(at + 4, true)];
      if (start === baseFollows) {
        base = end;
        newBase = map.of(base);
        to.setUint32(at + 4, newBase, true);
        at += 8;
        continue;
      }
      if (start === 0 && end === 0) break;
      to.setUint32(at, map.of(base + start) - newBase, true);
      to.setUint32(at + 4, map.of(base + end) - newBase, true);
      at += 8;
      if (name === '.debug_ranges') continue;
      if (at + 2 > bytes.length) all.fail('unexpected end of debug information', all.at + at);
      at += 2 + from.getUint16(at, true);
    }
    s.charge(all, at - offset);
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
