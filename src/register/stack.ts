// Stack traces as they would be without the hook: errors that the engine throws through it lose the frames in between.

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

function clean(error: Error): void {
  const { stack } = error;
  // A program that formats traces itself may make anything of them.
  if (typeof stack !== 'string' || !stack.includes(here)) return;
  const kept = stack
    .split('\n')
    .filter((line) => !line.includes(here) && !/at Reflect\.(apply|construct) \(<anonymous>\)/.test(line));
  Object.defineProperty(error, 'stack', {
    value: kept.join('\n'),
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
