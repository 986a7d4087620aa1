// A byte pipe between two threads in shared memory: one writer, one reader, neither ever waits in here.
//
//   word 0  bytes read so far, mod 2^32     written by the reader only
//   word 1  bytes written so far, mod 2^32  written by the writer only
//   word 2  0 open | 1 ended | 2 failed     written by the writer only, after its last bytes
//   word 3  1: the writer found it full     set by the writer, cleared by the reader when there is room again
//   then `capacity` bytes, a power of two

const readWord = 0;
const writtenWord = 1;
const stateWord = 2;
const fullWord = 3;
const headerBytes = 16;
const states = ['open', 'ended', 'failed'] as const;

export type RingState = (typeof states)[number];

export class Ring {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.capacity = buffer.byteLength - headerBytes;
    this.#words = new Int32Array(buffer, 0, headerBytes / 4);
    this.#bytes = new Uint8Array(buffer, headerBytes);
  }

  static create(capacity = 65536): Ring {
    return new Ring(new SharedArrayBuffer(headerBytes + capacity));
  }

  /** How many bytes can be read now. */
  get available(): number {
    return (Atomics.load(this.#words, writtenWord) - Atomics.load(this.#words, readWord)) >>> 0;
  }

  /** What comes after the bytes that can still be read. To be asked before `available`, so that no bytes are missed. */
  get state(): RingState {
    return states[Atomics.load(this.#words, stateWord)] ?? 'failed';
  }

  /** Writer: takes as many bytes as there is room for, and says how many. */
  write(chunk: Uint8Array): number {
    const written = Atomics.load(this.#words, writtenWord);
    const count = Math.min(chunk.length, this.capacity - this.available);
    const at = (written >>> 0) % this.capacity;
    const first = Math.min(count, this.capacity - at);
    this.#bytes.set(chunk.subarray(0, first), at);
    this.#bytes.set(chunk.subarray(first, count), 0);
    Atomics.store(this.#words, writtenWord, (written + count) | 0);
    return count;
  }

  /**
   * Writer: asks to be told when there is room. False: there is already, so write on. Partner of the check in `read`: each
   * side first stores its own word and then loads the other's, so one of them sees that there is room.
   */
  awaitRoom(): boolean {
    Atomics.store(this.#words, fullWord, 1);
    if (this.available === this.capacity) return true;
    Atomics.store(this.#words, fullWord, 0);
    return false;
  }

  /** Writer: nothing comes after what was written. */
  close(state: 'ended' | 'failed'): void {
    Atomics.store(this.#words, stateWord, states.indexOf(state));
  }

  /** Reader: fills `target` as far as there are bytes; `roomMade` says that the writer waits for word of it. */
  read(target: Uint8Array): { count: number; roomMade: boolean } {
    const read = Atomics.load(this.#words, readWord);
    const count = Math.min(target.length, this.available);
    const at = (read >>> 0) % this.capacity;
    const first = Math.min(count, this.capacity - at);
    target.set(this.#bytes.subarray(at, at + first));
    target.set(this.#bytes.subarray(0, count - first), first);
    Atomics.store(this.#words, readWord, (read + count) | 0);
    const roomMade = this.available <= this.capacity / 2 && Atomics.exchange(this.#words, fullWord, 0) === 1;
    return { count, roomMade };
  }
}
