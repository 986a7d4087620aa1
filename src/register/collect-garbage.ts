// A thread that only waits collects no garbage, and shared memories count for nothing with V8's collector. Without this, the control
// thread would hold on to memories of gigabytes that the program has given up.

import { Session } from 'node:inspector/promises';

/** Collects this thread's garbage, in its own time. */
export function collectGarbage(): void {
  const session = new Session();
  session.connect();
  session
    .post('HeapProfiler.collectGarbage')
    .catch(() => {}) // then it goes with the next memory
    .finally(() => session.disconnect());
}
