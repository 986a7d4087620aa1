// node:wasi without the warning that it is experimental: the program's user, whose stderr it would go to, did not choose it.

/** Loads node:wasi; only its own warning is kept back, and only while it loads. */
export function loadWasi(): typeof import('node:wasi') {
  const { emitWarning } = process;
  process.emitWarning = (): void => {};
  try {
    return process.getBuiltinModule('node:wasi');
  } finally {
    process.emitWarning = emitWarning;
  }
}
