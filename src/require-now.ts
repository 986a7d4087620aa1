// A file of ours that is loaded when it is first needed, by code that cannot wait for import().

import { createRequire } from 'node:module';

/** `from` is the caller's import.meta.url, `file` the way from there, without an extension: sources are .ts, the package has .js. */
export function requireNow<T>(from: string, file: string): T {
  const extension = from.endsWith('.ts') ? 'ts' : 'js';
  return createRequire(from)(`${file}.${extension}`) as T;
}
