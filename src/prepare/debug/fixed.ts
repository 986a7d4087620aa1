// Numbers of fixed width in DWARF, little-endian.

import type { Writer } from '../../wasm/index.ts';

/** What has become of a section: its bytes, and where each of its tables and lists stands now, by where it stood. */
export interface MovedSection {
  readonly bytes: Uint8Array;
  readonly offsets: ReadonlyMap<number, number>;
}

export function write32(out: Writer, value: number): Writer {
  return out
    .u8(value & 0xff)
    .u8((value >>> 8) & 0xff)
    .u8((value >>> 16) & 0xff)
    .u8(value >>> 24);
}

/** Byte by byte: a DataView for each of so many numbers takes longer than all else. */
export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function get32(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] ?? 0;
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
}
