// Numbers of fixed width in DWARF, little-endian.

import type { Writer } from '../../wasm/index.ts';

/** What has become of a section: its bytes, and where each of its tables and lists stands now, by where it stood. */
export interface MovedSection {
  readonly bytes: Uint8Array;
  readonly offsets: ReadonlyMap<number, number>;
}

export function write32(out: Writer, value: number): Writer {
  return out.raw([value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  viewOf(bytes).setUint32(at, value, true);
}

export function get32(bytes: Uint8Array, at: number): number {
  return viewOf(bytes).getUint32(at, true);
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}
