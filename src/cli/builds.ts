// Two builds of a program from the command line: modules as they are, C sources compiled.

import path from 'node:path';
import type { CProgram } from '../build/index.ts';
import { WgraftError } from '../errors.ts';
import { readInput, readModuleInput } from './files.ts';

export interface TwoBuilds {
  readonly old: Uint8Array;
  readonly new: Uint8Array;
}

export interface SourceOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly compilerFlags: readonly string[];
}

/** @throws WGRAFT_ERR_FILE, WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_USAGE, WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_COMPILER_MISSING */
export async function readBuilds(old: string, next: string, options: SourceOptions): Promise<TwoBuilds> {
  if (old === '-' && next === '-')
    throw new WgraftError('WGRAFT_ERR_USAGE', { what: 'only one of the two builds can come from stdin' });
  if (isC(old) !== isC(next)) {
    const what = `${old} and ${next}: either both are modules, or both are C`;
    throw new WgraftError('WGRAFT_ERR_USAGE', { what });
  }
  if (!isC(old)) return { old: await readModuleInput(old), new: await readModuleInput(next) };
  const compileAs = path.basename(old);
  // One after the other: they share one compiler.
  return {
    old: await compile(old, { compileAs, ...options }),
    new: await compile(next, { compileAs, ...options }),
  };
}

function isC(file: string): boolean {
  return path.extname(file) === '.c';
}

async function compile(file: string, options: Omit<CProgram, 'text' | 'file'>): Promise<Uint8Array> {
  const { compileProgram } = await import('../build/index.ts');
  return compileProgram({ text: await readText(file), file, ...options });
}

/** @throws WGRAFT_ERR_FILE */
export async function readText(file: string): Promise<string> {
  return new TextDecoder().decode(await readInput(file));
}

/** Headers by the name that sources include them with. @throws WGRAFT_ERR_FILE */
export async function readHeaders(files: readonly string[]): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const file of files) headers[path.basename(file)] = await readText(file);
  return headers;
}
