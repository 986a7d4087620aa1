// Standard output and error stay node:wasi's: written from the worker, synchronously, so nothing is lost at the exit.
// The pipe behind them is non-blocking (run.ts sees to that), so that a program whose reader is slow waits here, where it can
// be looked at and ended, and not in the kernel. The program itself sees blocking writes, unless it asks for others.

import type { HostFunctions } from '../migration-points.ts';
import type { Sleeper } from '../sleeper.ts';
import { errno } from './abi.ts';

type Write = (fd: number, iovecs: number, count: number, resultAt: number) => number;
type SetFlags = (fd: number, flags: number) => number;

const nonblock = 4; // fdflags
const pauseMs = { first: 0.125, longest: 16 } as const;

export function serveStdout(host: HostFunctions, sleeper: Sleeper): HostFunctions {
  const write = host['fd_write'] as unknown as Write;
  const setFlags = host['fd_fdstat_set_flags'] as unknown as SetFlags;
  /** Where the program itself asked for non-blocking output, it gets the error. */
  const nonblocking = new Set<number>();

  const patientWrite: Write = (fd, iovecs, count, resultAt) => {
    let result = write(fd, iovecs, count, resultAt);
    let pause: number = pauseMs.first;
    while (result === errno.again && (fd === 1 || fd === 2) && !nonblocking.has(fd)) {
      sleeper.until(() => undefined, performance.now() + pause);
      pause = Math.min(pause * 2, pauseMs.longest);
      result = write(fd, iovecs, count, resultAt);
    }
    return result;
  };
  const notedFlags: SetFlags = (fd, flags) => {
    const result = setFlags(fd, flags);
    if (result !== errno.success) return result;
    if ((flags & nonblock) !== 0) nonblocking.add(fd);
    else nonblocking.delete(fd);
    return result;
  };
  return { ...host, fd_write: patientWrite, fd_fdstat_set_flags: notedFlags };
}
