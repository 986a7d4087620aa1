// The control thread: holds the control socket and what is known of the program's threads, so that both can be asked while
// those compute. It ends with the process, and holds nothing that the program needs.

import { parentPort, workerData } from 'node:worker_threads';
import { listen } from '../control/index.ts';
import { WgraftError } from '../errors.ts';
import { announceControl } from './connect.ts';
import { type ControlInput, isIntroduction } from './protocol.ts';
import { Threads } from './threads.ts';

const { name, folder } = workerData as ControlInput; // what connect.ts starts it with
const threads = new Threads();

function meet(value: unknown): void {
  if (isIntroduction(value)) threads.add(value.threadId, value.port);
}

// The main thread's comes by the worker's own port, which also keeps this thread alive.
parentPort?.on('message', meet);
process.on('workerMessage', meet);
announceControl();

listen(threads, { name, folder }).catch((cause: unknown) => {
  parentPort?.postMessage(WgraftError.is(cause) ? cause.message : String(cause));
});
