// Loads packages as a new process would. Most of them keep their instance in a module variable, so a second run with
// other bytes would otherwise get the first run's instance.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
let loads = 0;

/** A CommonJS package, evaluated anew. `T` is what its documentation says it exports. */
export function freshRequire<T>(specifier: string): T {
  const file = require.resolve(specifier);
  delete require.cache[file];
  try {
    return require(file);
  } finally {
    delete require.cache[file];
  }
}

/** An ES module file of a package, evaluated anew. */
export async function freshImport<T>(specifier: string, file: string): Promise<T> {
  const url = pathToFileURL(packageFile(specifier, file));
  url.searchParams.set('load', String(++loads));
  return import(/* @vite-ignore */ url.href);
}

/** The path of a file beside the entry that `specifier` resolves to, also where the package does not export it. */
export function packageFile(specifier: string, file: string): string {
  return join(dirname(require.resolve(specifier)), file);
}

export function readPackageFile(specifier: string, file: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(packageFile(specifier, file)));
}
