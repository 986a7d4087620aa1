// A WASI program in WAT for the command line's tests: for each byte of its input it writes one line, what `answer` says;
// at the end of its input it exits with 7. `serve`, its loop, is active all the time. With patches for it.

import { buildPatch } from '../../src/build/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { wat } from './wat.ts';

const source = (first: number): string => `
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\20\\00\\00\\00\\01\\00\\00\\00")
  (data (i32.const 8) "\\30\\00\\00\\00\\02\\00\\00\\00")
  (func $answer (export "answer") (result i32) (i32.const ${first}))
  (func $say (param $n i32)
    (i32.store8 (i32.const 48) (i32.add (i32.const 48) (local.get $n)))
    (i32.store8 (i32.const 49) (i32.const 10))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func $serve
    (loop $next
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
      (if (i32.load (i32.const 16)) (then (call $say (call $answer)) (br $next)))))
  (func (export "_start") (call $serve) (call $proc_exit (i32.const 7))))`;

export const sources = {
  /** Makes it answer 2. */
  fix: '(module (func $answer (export "answer") (result i32) (i32.const 2)))\n',
  /** Replaces the function that never returns. */
  serve: '(module (func $serve (export "serve")))\n',
} as const;

export interface AnswerProgram {
  readonly kernel: Uint8Array;
  readonly prepared: Uint8Array;
  readonly fix: Uint8Array;
  readonly serve: Uint8Array;
}

/** Builds the program, and a patch for `answer` and one for `serve`. Another `first` answer makes it another program. */
export async function answerProgram(first = 1): Promise<AnswerProgram> {
  const kernel = wat(source(first));
  const { bytes: prepared } = await prepare(kernel, { slots: 'all' });
  const patch = async (name: string, fn: string, text: string): Promise<Uint8Array> => {
    const replacements = [{ function: fn, source: { kind: 'wat', text, file: `${name}.wat` } } as const];
    return (await buildPatch({ target: prepared, replacements, name })).bytes;
  };
  return {
    kernel,
    prepared,
    fix: await patch('fix', 'answer', sources.fix),
    serve: await patch('serve-loop', 'serve', sources.serve),
  };
}
