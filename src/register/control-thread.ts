// The control thread: holds the control socket and what is known of the program's threads, so that both can be asked while
// those compute. It ends with the process, and holds nothing that the program needs. A program that starts needs its core
// itself, and most end unasked: what answers is loaded when somebody calls, or a little later.

import { parentPort, workerData } from 'node:worker_threads';
import { listenWith } from '../control/server.ts';
import { WgraftError } from '../errors.ts';
import { announceControl, hearSharings } from './connect.ts';
import { type ControlInput, type Introduction, isIntroduction } from './protocol.ts';
import type { Threads } from './threads.ts';

/** What threads say waits in their ports until it is read, and must not become much. */
const loadAfterMs = 1000;

const { name, folder, ordered } = workerData as ControlInput; // what connect.ts starts it with
const introduced = new Set<Introduction>();
let threads: Threads | undefined;
let loading: Promise<Threads> | undefined;

function meet(value: unknown): void {
  if (!isIntroduction(value)) return;
  if (threads !== undefined) return threads.add(value.threadId, value.port);
  introduced.add(value);
  value.port.once('close', () => introduced.delete(value));
}

function load(): Promise<Threads> {
  loading ??= import('./threads.ts').then((room) => {
    threads = new room.Threads(ordered);
    for (const { threadId, port } of introduced) threads.add(threadId, port);
    introduced.clear();
    return threads;
  });
  return loading;
}

// The main thread's comes by the worker's own port, which also keeps this thread alive.
parentPort?.on('message', meet);
process.on('workerMessage', meet);
announceControl();
hearSharings((sharing) => void load().then((all) => all.share(sharing)));
setTimeout(load, loadAfterMs).unref();

listenWith({ name, folder }, load).catch((cause: unknown) => {
  parentPort?.postMessage(WgraftError.is(cause) ? cause.message : String(cause));
});
