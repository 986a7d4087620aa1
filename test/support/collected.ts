// What the garbage collector has taken, for tests of what is still held.

import { setImmediate as turn } from 'node:timers/promises';

/** Collects until all of these are gone, or a bounded number of times; says which are. */
export async function collected(refs: readonly WeakRef<object>[]): Promise<boolean[]> {
  const gone = (): boolean[] => refs.map((ref) => ref.deref() === undefined);
  for (let i = 0; i < 20 && gone().includes(false); i += 1) {
    await turn(); // a WeakRef that was just looked at holds until the turn ends
    globalThis.gc?.();
  }
  return gone();
}
