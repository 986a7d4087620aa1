// A program's own memory allocator, known by name and type: `malloc`, and the `free` that takes back what it gives.

import type { FuncIndex } from '../wasm/index.ts';
import type { Allocator } from './manifest.ts';

export const mallocType = '(i32) -> i32';
const freeType = '(i32) -> ()';

/** wasm-bindgen's free wants sizes and has another type. */
const freeOf: ReadonlyMap<string, string> = new Map([
  ['malloc', 'free'],
  ['_malloc', '_free'],
  ['dlmalloc', 'dlfree'],
  ['__wbindgen_malloc', '__wbindgen_free'],
]);

/** The program's only function of that name, if it has that type. */
export type FindOnly = (name: string, type: string) => FuncIndex | undefined;

/** Go's and AssemblyScript's allocators have other names and types, and collect what they do not know to be in use. */
export function namedAllocator(only: FindOnly): Allocator | undefined {
  for (const name of freeOf.keys()) {
    const index = only(name, mallocType);
    if (index === undefined) continue;
    const reason = `the program's own "${name}" has type ${mallocType}`;
    return { kind: 'function', index, name, ...namedFree(only, name), reason };
  }
  return undefined;
}

/** Without it, what shadow variables free is used again by other shadow variables only. */
export function namedFree(only: FindOnly, malloc: string): { free?: FuncIndex } {
  const name = freeOf.get(malloc);
  const free = name === undefined ? undefined : only(name, freeType);
  return free === undefined ? {} : { free };
}
