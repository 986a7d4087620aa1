// A growing byte buffer with the encodings of the binary format. Lengths are written minimally unless `padded` says otherwise.

const utf8 = new TextEncoder();

/** How many bytes `u32` writes for this value. */
export function u32Size(value: number): number {
  let size = 1;
  for (let left = value; left >= 0x80; left = Math.floor(left / 0x80)) size += 1;
  return size;
}

/** What stands in front of the payload of a custom section: id, size, name. */
export function customHeader(name: string, payloadLength: number): Uint8Array {
  const label = new Writer(name.length + 5).name(name);
  return new Writer(label.length + 6)
    .u8(0)
    .u32(label.length + payloadLength)
    .raw(label.view())
    .toBytes();
}

export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** @param capacity bytes to reserve at first; it grows by itself. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes so far: a view, valid until the next write. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The bytes so far: a copy of their own. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** The bytes so far, without a copy where they fill the buffer exactly. The writer begins anew. */
  release(): Uint8Array<ArrayBuffer> {
    const bytes = this.#length === this.#bytes.length ? this.#bytes : this.toBytes();
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    return bytes;
  }

  reset(): this {
    this.#length = 0;
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
    return this;
  }

  u32(value: number): this {
    let left = value;
    while (left >= 0x80) {
      this.u8((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    return this.u8(left);
  }

  /** An unsigned LEB128 that takes `width` bytes, as linkers write relocated ones. */
  padded(value: number, width: number): this {
    let left = value;
    for (let i = 1; i < width; i += 1) {
      this.u8((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    return this.u8(left);
  }

  u64(value: bigint): this {
    let left = value;
    while (left >= 0x80n) {
      this.u8(Number(left & 0x7fn) | 0x80);
      left >>= 7n;
    }
    return this.u8(Number(left));
  }

  s32(value: number): this {
    let left = value | 0;
    for (;;) {
      const byte = left & 0x7f;
      left >>= 7;
      if ((left === 0 && !(byte & 0x40)) || (left === -1 && byte & 0x40)) return this.u8(byte);
      this.u8(byte | 0x80);
    }
  }

  s64(value: bigint): this {
    let left = value;
    for (;;) {
      const byte = Number(left & 0x7fn);
      left >>= 7n;
      if ((left === 0n && !(byte & 0x40)) || (left === -1n && byte & 0x40)) return this.u8(byte);
      this.u8(byte | 0x80);
    }
  }

  raw(bytes: ArrayLike<number>): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** The bytes of `source` from `start` up to `end`: cheaper than `raw` of a view where there are many short ones. */
  copy(source: Uint8Array, start: number, end: number): this {
    if (end - start > 32) return this.raw(source.subarray(start, end));
    this.#room(end - start);
    for (let i = start; i < end; i += 1) this.#bytes[this.#length++] = source[i] ?? 0;
    return this;
  }

  name(text: string): this {
    return this.block(utf8.encode(text));
  }

  /** Bytes with their length in front. */
  block(bytes: ArrayLike<number>): this {
    return this.u32(bytes.length).raw(bytes);
  }

  vector<T>(items: readonly T[], write: (item: T, index: number) => void): this {
    this.u32(items.length);
    items.forEach(write);
    return this;
  }

  section(id: number, payload: ArrayLike<number>): this {
    return this.u8(id).block(payload);
  }

  custom(name: string, payload: ArrayLike<number>): this {
    return this.raw(customHeader(name, payload.length)).raw(payload);
  }

  #room(more: number): void {
    const need = this.#length + more;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.view());
    this.#bytes = grown;
  }
}
