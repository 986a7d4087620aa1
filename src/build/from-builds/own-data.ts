// The data that a patch brings: its bytes, with the program's addresses written in, and the code that writes those addresses
// which are known only when the patch is staged.

import { type GlobalIndex, op, Writer } from '../../wasm/index.ts';
import type { Addresses, OpenAddress } from './addresses.ts';

export interface PlacedData {
  /** Offsets from the memory base; data that is all zeros has no segment. */
  readonly segments: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Body of the function that writes the open addresses; undefined where there are none. */
  readonly relocations: Uint8Array | undefined;
}

const i32Store = 0x36;

/** @param open gives the global that holds an open address. */
export function placeData(
  bytes: Uint8Array,
  addresses: Addresses,
  memoryBase: GlobalIndex,
  open: (address: OpenAddress) => GlobalIndex,
): PlacedData {
  const relocations = new Writer(64).u32(0);
  const segments = addresses.own.map(({ data, offset }) => {
    // A copy of its own: of a Buffer, `slice` would give a view of the caller's build.
    const content = new Uint8Array(bytes.subarray(data.content.start, data.content.end));
    const view = new DataView(content.buffer);
    for (const reference of data.references) {
      const place = reference.at - data.content.start;
      const address = addresses.of(reference);
      view.setUint32(place, address.kind === 'number' ? address.value >>> 0 : 0, true);
      if (address.kind === 'number') continue;
      relocations.u8(op.globalGet).u32(memoryBase).u8(op.globalGet).u32(open(address));
      relocations
        .u8(i32Store)
        .u32(0)
        .u32(offset + place);
    }
    return { offset, bytes: content };
  });
  const done = relocations.length === 1;
  return {
    segments: segments.filter((s) => s.bytes.some((byte) => byte !== 0)),
    relocations: done ? undefined : relocations.u8(op.end).toBytes(),
  };
}
