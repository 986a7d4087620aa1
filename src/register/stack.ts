// Stack traces as they would be without the hook: errors that the engine throws through it lose the frames in between.

import { standInFile } from '../wasm/stand-in.ts';

const here = import.meta.url.slice(0, import.meta.url.lastIndexOf('/') + 1);

/** Calls; what that throws keeps its identity, and its trace shows no frame of ours. */
export function withoutOurFrames<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof Error) clean(error);
    throw error;
  }
}

/** The same for a promise. */
export function settlingWithoutOurFrames<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    if (error instanceof Error) clean(error);
    throw error;
  });
}

function clean(error: Error): void {
  const { stack } = error;
  // A program that formats traces itself may make anything of them.
  if (typeof stack !== 'string') return;
  const lines = stack.split('\n');
  const kept = lines.filter((line) => !isOurs(line));
  if (kept.length === lines.length) return;
  const value = kept.filter((line) => !/at Reflect\.(apply|construct) \(<anonymous>\)/.test(line)).join('\n');
  Object.defineProperty(error, 'stack', { value, writable: true, configurable: true, enumerable: false });
}

function isOurs(line: string): boolean {
  return line.includes(here) || line.includes(standInFile);
}
