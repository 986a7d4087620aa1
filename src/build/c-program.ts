// A whole program in C to a WASI command with relocations: what patches from two builds start from. Both builds are compiled
// under one file name, so that __FILE__ and the names of static things are the same.

import { WgraftError } from '../errors.ts';
import { withClang } from './clang.ts';
import { wgraftHeader } from './wgraft-header.ts';

export interface CProgram {
  readonly text: string;
  /** What messages call it. */
  readonly file: string;
  /** The name that it is compiled under; default: the last part of `file`. */
  readonly compileAs?: string;
  /** Headers, by path; wgraft.h is there. */
  readonly headers?: Readonly<Record<string, string>>;
  /** More options for the compiler, behind `-O2` and `--emit-relocs`. */
  readonly compilerFlags?: readonly string[];
}

const result = 'program.wasm';

/** Compiles and links a program. @throws WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_COMPILER_MISSING */
export async function compileProgram(program: CProgram): Promise<Uint8Array> {
  const { text, file, headers = {}, compilerFlags = [] } = program;
  const name = program.compileAs ?? file.split(/[\\/]/).at(-1) ?? 'main.c';
  const args = [name, '--target=wasm32-wasip1', '-O2', '-I', '.', '-Wl,--emit-relocs', ...compilerFlags];
  const { ok, output, files } = await withClang((clang) =>
    clang.run({
      tool: 'clang',
      args: [...args, '-o', result],
      files: { 'wgraft.h': wgraftHeader, ...headers, [name]: text },
    }),
  );
  const wasm = files[result];
  if (!ok || wasm === undefined)
    throw new WgraftError('WGRAFT_ERR_SOURCE_INVALID', { file, errors: output.trimEnd() });
  return wasm;
}
