// The group's end of the line to one thread, and what was last heard of it.

import type { Bell } from '../bell.ts';
import type { FromThread, Mirror, ToThread } from './protocol.ts';
import type { Wire } from './wire.ts';

/** How long a thread has to come to its event loop or a host call before it is called busy, ms. */
const patienceMs = 100;

export class ThreadLink {
  readonly row: number;
  /** Node's; undefined until that is known. */
  thread: number | undefined;
  mirror: Mirror | undefined;
  /** There where its program was prepared with attention. */
  attention: Int32Array<SharedArrayBuffer> | undefined;
  readonly #wire: Wire<FromThread, ToThread>;
  readonly #bell: Bell;
  /** When the oldest look was asked for that it has not answered. */
  #askedAt: number | undefined;
  #answered: (() => void)[] = [];

  constructor(row: number, wire: Wire<FromThread, ToThread>, bell: Bell) {
    this.row = row;
    this.#wire = wire;
    this.#bell = bell;
  }

  post(message: ToThread): void {
    this.#wire.post(message); // before the call, which says that it is there
    this.#bell.call();
    if (this.attention !== undefined) Atomics.store(this.attention, 0, 1);
  }

  /** Lets it look, unless it has not come to the last look yet. */
  look(): void {
    if (this.thread === undefined || this.#askedAt !== undefined) return;
    this.#askedAt = performance.now();
    this.post({ type: 'look' });
  }

  /** What it has said and nobody has heard yet. */
  *unheard(): Generator<FromThread> {
    for (;;) {
      const report = this.#wire.receive();
      if (report === undefined) return;
      yield report;
    }
  }

  hear(listener: (report: FromThread) => void): void {
    this.#wire.listen(listener);
  }

  close(): void {
    this.#wire.close();
    this.answer();
  }

  reflect(mirror: Mirror, isAnswer: boolean): void {
    this.mirror = mirror;
    if (isAnswer) this.answer();
  }

  /** It has answered, or never will. */
  answer(): void {
    this.#askedAt = undefined;
    for (const resolve of this.#answered.splice(0)) resolve();
  }

  /** Settles when it has told how it is, or is busy. */
  async ask(): Promise<void> {
    this.look();
    if (this.#askedAt === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#answered.push(resolve);
      timer = setTimeout(resolve, patienceMs);
    });
    clearTimeout(timer);
  }

  /** For how long it has come to neither its event loop nor a host call, ms; 0 where it answers. */
  get busyMs(): number {
    const waitedMs = this.#askedAt === undefined ? 0 : performance.now() - this.#askedAt;
    return waitedMs < patienceMs ? 0 : waitedMs;
  }
}
