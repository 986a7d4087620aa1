// The three words by which another thread reaches one whose event loop does not turn, in shared memory.
//
//   word 0  attention  not 0: there is something to do at the next migration point (looked at around every host call)
//   word 1  wake       counts rings; a sleeping worker waits on it, so every ring wakes it
//   word 2  begun      not 0: the program may start (WASI runner only)
//
// No wake-up is lost: the worker reads `wake`, then looks at all it waits for, then sleeps only while `wake` is unchanged;
// whoever gives it something writes that first and rings after.

const attention = 0;
const wake = 1;
const begun = 2;

export class Bell {
  readonly words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(12), byteOffset = 0) {
    this.words = new Int32Array(buffer, byteOffset, 3);
  }

  get buffer(): SharedArrayBuffer {
    return this.words.buffer;
  }

  /** Wakes the worker if it sleeps. */
  ring(): void {
    Atomics.add(this.words, wake, 1);
    Atomics.notify(this.words, wake);
  }

  /** Wakes the worker, or stops it at its next migration point. */
  call(): void {
    Atomics.store(this.words, attention, 1);
    this.ring();
  }

  /** True where somebody called, or the worker keeps its own attention. */
  get called(): boolean {
    return Atomics.load(this.words, attention) !== 0;
  }

  /** Lets the program start. */
  begin(): void {
    Atomics.store(this.words, begun, 1);
    this.ring();
  }

  get hasBegun(): boolean {
    return Atomics.load(this.words, begun) !== 0;
  }

  /** The worker has come: what is sent after this calls again. */
  answer(): void {
    Atomics.store(this.words, attention, 0);
  }

  /** The worker wants to be stopped at its next migration point too. */
  keep(): void {
    Atomics.store(this.words, attention, 1);
  }

  /** To be read before looking for what `sleep` is to wait for. */
  get rings(): number {
    return Atomics.load(this.words, wake);
  }

  /** Blocks the thread until the bell has rung since `rings` was read, or the time is over. */
  sleep(rings: number, ms: number = Number.POSITIVE_INFINITY): void {
    Atomics.wait(this.words, wake, rings, ms);
  }
}
