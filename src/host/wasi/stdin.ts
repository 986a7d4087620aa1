// The program's standard input as it sees it, in the worker: bytes from the ring instead of fd 0, so that a program that
// waits for input can be woken, looked at and put back to sleep. Reads what is there, waits for the first byte only.
//
// Follows the descriptor: fd_renumber moves it, fd_close ends it (the number is node:wasi's from then on), and
// fd_fdstat_set_flags may make it non-blocking.

import type { HostFunctions } from '../migration-points.ts';
import type { Sleeper } from '../sleeper.ts';
import { errno, type GuestMemory } from './abi.ts';
import type { Ring } from './ring.ts';

type Wasi = (...args: (number | bigint)[]) => number;

const nonblock = 4; // fdflags

export class Stdin {
  readonly #ring: Ring;
  readonly #sleeper: Sleeper;
  readonly #wanted: () => void;
  #asked = false;
  #fd: number;
  #nonblocking = false;

  /**
   * @param fd 0, or -1 where standard input is left to node:wasi.
   * @param wanted tells the feed that bytes are wanted, or that there is room again.
   */
  constructor(fd: 0 | -1, ring: Ring, sleeper: Sleeper, wanted: () => void) {
    this.#fd = fd;
    this.#ring = ring;
    this.#sleeper = sleeper;
    this.#wanted = wanted;
  }

  is(fd: number): boolean {
    return fd === this.#fd && fd >= 0;
  }

  /** What a reader finds without waiting; undefined: nothing yet. */
  get ready(): { bytes: number; end: 'ended' | 'failed' | undefined } | undefined {
    if (!this.#asked) {
      this.#asked = true;
      this.#wanted();
    }
    const { state } = this.#ring;
    const bytes = this.#ring.available;
    if (bytes > 0) return { bytes, end: undefined };
    return state === 'open' ? undefined : { bytes: 0, end: state };
  }

  /** fd_read on standard input. */
  read(memory: GuestMemory, iovecs: number, count: number, resultAt: number): number {
    const buffers = memory.iovecs(iovecs, count);
    if (buffers === undefined || !memory.holds(resultAt, 4)) return errno.overflow;
    if (this.#nonblocking && this.ready === undefined) return errno.again;
    const nothing = buffers.every((b) => b.length === 0);
    const found = nothing ? undefined : this.#sleeper.until(() => this.ready);
    if (found?.end === 'failed') return errno.io;
    // Looked up again after the wait: a patch that was staged meanwhile may have made memory grow.
    const total = this.#fill(memory.iovecs(iovecs, count) ?? []);
    memory.view.setUint32(resultAt >>> 0, total, true);
    return errno.success;
  }

  #fill(buffers: readonly Uint8Array[]): number {
    let total = 0;
    for (const buffer of buffers) {
      const { count, roomMade } = this.#ring.read(buffer);
      total += count;
      if (roomMade) this.#wanted();
      if (count < buffer.length) break;
    }
    return total;
  }

  closed(fd: number): void {
    if (this.is(fd)) this.#fd = -1;
  }

  /** fd_renumber: `to` becomes another name of `from`, which is closed. */
  renumbered(from: number, to: number): void {
    if (this.is(from)) this.#fd = to;
    else this.closed(to);
  }

  flagsSet(fd: number, flags: number): void {
    if (this.is(fd)) this.#nonblocking = (flags & nonblock) !== 0;
  }

  /** The main thread reads fd 0 without blocking; the program is told the flag that it set itself. */
  correctStat(memory: GuestMemory, fd: number, at: number): void {
    if (!this.is(fd)) return;
    const flags = memory.view.getUint16((at >>> 0) + 2, true);
    memory.view.setUint16((at >>> 0) + 2, this.#nonblocking ? flags | nonblock : flags & ~nonblock, true);
  }
}

/** node:wasi's functions with those changed that concern standard input. */
export function serveStdin(host: HostFunctions, stdin: Stdin, memory: () => GuestMemory): HostFunctions {
  const call = (name: string): Wasi => host[name] as Wasi;
  const [read, close, renumber, setFlags, stat] = [
    call('fd_read'),
    call('fd_close'),
    call('fd_renumber'),
    call('fd_fdstat_set_flags'),
    call('fd_fdstat_get'),
  ];
  const after = (result: number, follow: () => void): number => {
    if (result === errno.success) follow();
    return result;
  };
  return {
    ...host,
    fd_read: (fd: number, iovecs: number, count: number, resultAt: number): number =>
      stdin.is(fd) ? stdin.read(memory(), iovecs, count, resultAt) : read(fd, iovecs, count, resultAt),
    fd_close: (fd: number): number => after(close(fd), () => stdin.closed(fd)),
    fd_renumber: (from: number, to: number): number =>
      after(renumber(from, to), () => stdin.renumbered(from, to)),
    fd_fdstat_set_flags: (fd: number, flags: number): number =>
      after(setFlags(fd, flags), () => stdin.flagsSet(fd, flags)),
    fd_fdstat_get: (fd: number, at: number): number =>
      after(stat(fd, at), () => stdin.correctStat(memory(), fd, at)),
  };
}
