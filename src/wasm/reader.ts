// A cursor over bytes. Every read is checked against the end of the range; every failure is a WGRAFT_ERR_WASM_MALFORMED
// with the byte offset in the file. Nothing is allocated by a length that the remaining bytes cannot hold.

import { WgraftError } from '../errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Reader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  /** Reads `bytes` from `at` up to `end`, both offsets in the file. */
  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  get left(): number {
    return this.end - this.at;
  }

  fail(what: string, offset: number = this.at): never {
    throw new WgraftError('WGRAFT_ERR_WASM_MALFORMED', { what, offset });
  }

  u8(): number {
    const byte = this.at < this.end ? this.bytes[this.at] : undefined;
    if (byte === undefined) this.fail('unexpected end');
    this.at += 1;
    return byte;
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    const start = this.at;
    let value = this.u8();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.u8();
    if (last > 0x0f) this.fail('LEB128 does not fit 32 bits', start);
    return value + last * 0x10000000;
  }

  /** An unsigned LEB128 of at most 64 bits. */
  u64(): bigint {
    return BigInt.asUintN(64, this.#wide(false));
  }

  /** A signed LEB128 of at most 32 bits (33 for heap and block types, which also fit a number). */
  s33(): number {
    const start = this.at;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** (shift + 7) : value;
    }
    const last = this.u8();
    // Bits 0 to 3 belong to the value, bit 4 is its sign, bits 5 and 6 have to repeat it.
    if (last > 0x0f && (last < 0x70 || last > 0x7f)) this.fail('signed LEB128 does not fit 33 bits', start);
    return value + (last > 0x0f ? last - 0x80 : last) * 0x10000000;
  }

  s32(): number {
    const start = this.at;
    const value = this.s33();
    if (value < -0x80000000 || value > 0x7fffffff) this.fail('signed LEB128 does not fit 32 bits', start);
    return value;
  }

  s64(): bigint {
    return BigInt.asIntN(64, this.#wide(true));
  }

  /** Passes over a LEB128 of at most 64 bits, unsigned or signed: cheaper than reading it. */
  skip64(signed: boolean): void {
    const start = this.at;
    for (let i = 0; i < 9; i += 1) if (this.u8() < 0x80) return;
    const last = this.u8();
    if (last === 0 || last === (signed ? 0x7f : 1)) return;
    this.fail(`${signed ? 'signed ' : ''}LEB128 does not fit 64 bits`, start);
  }

  #wide(signed: boolean): bigint {
    const start = this.at;
    this.skip64(signed);
    let value = 0n;
    for (let i = this.at - 1; i >= start; i -= 1) value = (value << 7n) | BigInt((this.bytes[i] ?? 0) & 0x7f);
    return signed && (this.bytes[this.at - 1] ?? 0) & 0x40
      ? value - (1n << BigInt(7 * (this.at - start)))
      : value;
  }

  /** The length of a vector whose elements take at least `least` bytes each and which has `most` of them at most. */
  count(what: string, least = 1, most: number = Number.POSITIVE_INFINITY): number {
    const start = this.at;
    const count = this.u32();
    if (count > most) this.fail(`${what}: ${count} of them, engines take ${most}`, start);
    if (count * least > this.left)
      this.fail(`${what}: ${count} of them do not fit the ${this.left} bytes left`, start);
    return count;
  }

  /** Reads `count` elements one by one. */
  vector<T>(what: string, read: (index: number) => T, least = 1, most?: number): T[] {
    const count = this.count(what, least, most);
    const items: T[] = [];
    for (let i = 0; i < count; i += 1) items.push(read(i));
    return items;
  }

  /** A view of the next `length` bytes; no copy. */
  take(length: number, what = 'bytes'): Uint8Array {
    this.skip(length, what);
    return this.bytes.subarray(this.at - length, this.at);
  }

  skip(length: number, what = 'bytes'): void {
    if (length > this.left) this.fail(`${what}: ${length} bytes wanted, ${this.left} left`);
    this.at += length;
  }

  name(): string {
    const start = this.at;
    const raw = this.take(this.count('name'), 'name');
    try {
      return utf8.decode(raw);
    } catch {
      return this.fail('name is not UTF-8', start);
    }
  }

  /** A reader for the next `length` bytes, which this reader passes over. */
  sub(length: number, what: string): Reader {
    const start = this.at;
    this.skip(length, what);
    return new Reader(this.bytes, start, this.at);
  }

  /** To be called at the end of a range that must be read to its last byte. */
  finish(what: string): void {
    if (!this.done) this.fail(`${what}: ${this.left} bytes too many`);
  }
}
