// CPU time of this thread: time in which the machine does other work does not count.

import { readFileSync } from 'node:fs';

const neverWoken = new Int32Array(new SharedArrayBuffer(4));
const napMs = 0.02;

/**
 * CPU time of this thread, ms. Linux brings a thread's time up to date at its next tick (4 ms) or when it leaves the
 * processor: so the thread sleeps for a moment, and the figure is exact to microseconds.
 */
export function threadTimeMs(): number {
  Atomics.wait(neverWoken, 0, 0, napMs);
  if (process.platform === 'linux') {
    const [onCpu = ''] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return Number(onCpu) / 1e6;
  }
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
