// The kpatch cases: a kernel of three C files in wasm-fixtures/kpatch, and edits to them that make new builds of it.

import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
import { compileC } from './compile-c.ts';
import { type Builds, library } from './two-builds.ts';

/** In `file` (kernel.c unless it starts with another name and a colon) this text becomes that one. */
export type Edit = readonly [from: string, to: string];

const { wasiImport } = new WASI({ version: 'preview1' });

/** What the kernel imports, and `env.random`, which it does not. */
export const imports = {
  wasi_snapshot_preview1: wasiImport,
  env: { clock: (): number => 1234, random: (): number => 4321 },
} as WebAssembly.Imports;

const folder = new URL('../../wasm-fixtures/kpatch/', import.meta.url);
const names = ['kernel.c', 'second.c', 'third.c', 'kernel.h'] as const;

/** The kernel with these edits made; every edit must hit exactly one place. */
export async function kernelWith(edits: readonly Edit[], flags: readonly string[] = []): Promise<Uint8Array> {
  const files = new Map<string, string>();
  for (const name of names) files.set(name, await readFile(new URL(name, folder), 'utf8'));
  for (const [from, to] of edits) {
    const [hit, ...more] = [...files].filter(([, text]) => text.includes(from));
    if (hit === undefined || more.length > 0 || hit[1].split(from).length !== 2)
      throw new Error(`the edit of ${JSON.stringify(from)} does not hit exactly one place`);
    files.set(
      hit[0],
      hit[1].replace(from, () => to),
    );
  }
  const { 'kernel.c': source = '', ...rest } = Object.fromEntries(files);
  return compileC(source, {
    fileName: 'kernel.c',
    files: rest,
    flags: ['second.c', 'third.c', ...library, ...flags],
  });
}

/** Two builds of the kernel, of which the new one has these edits. */
export async function kernelBuilds(edits: readonly Edit[], flags: readonly string[] = []): Promise<Builds> {
  return { old: await kernelWith([], flags), new: await kernelWith(edits, flags) };
}
