// Stands between a socket and the JSON-RPC reader and lets only frames through that the reader can take: a small header
// with one sane Content-Length. The reader itself would buffer whatever it is told to, and wait for a header for ever.

import { Transform, type TransformCallback } from 'node:stream';
import { WgraftError } from '../errors.ts';

const headerLimitBytes = 1024;
const headerEnd = '\r\n\r\n';

/** Passes frames on unchanged; fails with WGRAFT_ERR_PROTOCOL at the first byte that cannot belong to one. */
export class FrameGuard extends Transform {
  readonly #limitBytes: number;
  #header = '';
  /** Bytes of the current body that are still to come; 0 = a header is being read. */
  #bodyLeft = 0;

  constructor(limitBytes: number) {
    super();
    this.#limitBytes = limitBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      let at = 0;
      while (at < chunk.length) at = this.#bodyLeft > 0 ? this.#body(chunk, at) : this.#head(chunk, at);
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  /** An end inside a frame is no error for us: there is nobody left to tell. */
  override _flush(done: TransformCallback): void {
    done();
  }

  #body(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#bodyLeft);
    this.#bodyLeft -= end - at;
    this.push(chunk.subarray(at, end));
    return end;
  }

  #head(chunk: Buffer, at: number): number {
    const before = this.#header.length;
    const seen = this.#header + chunk.toString('latin1', at, at + headerLimitBytes);
    const end = seen.indexOf(headerEnd);
    if (end < 0) {
      if (seen.length >= headerLimitBytes) refuse('no frame header');
      this.#header = seen;
      return chunk.length;
    }
    const header = seen.slice(0, end);
    this.#bodyLeft = this.#lengthIn(header);
    this.#header = '';
    this.push(Buffer.from(header + headerEnd, 'latin1'));
    return at + end + headerEnd.length - before;
  }

  #lengthIn(header: string): number {
    const found = [...header.matchAll(/^content-length: *(\d{1,12})$/gim)];
    const length = Number(found[0]?.[1]);
    if (found.length !== 1 || !(length > 0)) refuse('a frame without a Content-Length');
    if (length > this.#limitBytes) refuse(`a frame of ${length} bytes, the limit is ${this.#limitBytes}`);
    return length;
  }
}

function refuse(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_PROTOCOL', { reason });
}
