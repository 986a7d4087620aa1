// The main thread's end of the program's standard input: reads a stream as far as the ring has room and the program asked
// for it. Nothing is read before the program first wants to read, so a program without input leaves the terminal alone.

import type { Readable } from 'node:stream';
import type { Bell } from '../bell.ts';
import type { Ring } from './ring.ts';

export class StdinFeed {
  readonly #open: () => Readable;
  readonly #ring: Ring;
  readonly #bell: Bell;
  #stream: Readable | undefined;
  /** What the ring had no room for yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #closing: 'ended' | 'failed' | undefined;

  /** @param open called once, when the program first wants to read. */
  constructor(open: () => Readable, ring: Ring, bell: Bell) {
    this.#open = open;
    this.#ring = ring;
    this.#bell = bell;
  }

  /** The program wants to read, or has made room in the ring. */
  wanted(): void {
    if (this.#stream === undefined) {
      this.#start();
      return;
    }
    if (this.#flush()) this.#stream.resume();
  }

  /** The program is over: lets go of the stream, so that it does not keep the process alive. */
  stop(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd).pause();
    // The error listener stays: an error that nobody listens to would end the process.
    if ('unref' in stream && typeof stream.unref === 'function') stream.unref();
  }

  #start(): void {
    this.#stream = this.#open();
    this.#stream
      .on('data', this.#onData)
      .once('end', this.#onEnd)
      .once('close', this.#onEnd)
      .on('error', this.#onError);
    this.#stream.resume();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#flush()) this.#stream?.pause();
  };

  readonly #onEnd = (): void => this.#close('ended');
  readonly #onError = (): void => this.#close('failed');

  #close(state: 'ended' | 'failed'): void {
    this.#closing ??= state;
    this.#flush();
  }

  /** Moves on what was held back. True where all of it went. */
  #flush(): boolean {
    while (this.#rest.length > 0) {
      const count = this.#ring.write(this.#rest);
      this.#rest = this.#rest.subarray(count);
      if (count > 0) this.#bell.ring();
      else if (this.#ring.awaitRoom()) return false;
    }
    if (this.#closing !== undefined) {
      this.#ring.close(this.#closing);
      this.#bell.ring();
    }
    return true;
  }
}
