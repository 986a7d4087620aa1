// The modules that observe.mjs and the tests of the hook load, in a folder.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wat } from '../wat.ts';

const one = `(module $mod
  (import "host" "log" (func $log (param i32)))
  (import "host" "fail" (func $fail))
  (memory (export "memory") 1)
  (table (export "table") 4 8 funcref)
  (global (export "counter") (mut i32) (i32.const 7))
  (func $add (export "add") (export "again") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func $recurse (export "recurse") (param i32) (result i32)
    (call $log (local.get 0))
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 0))
      (else (i32.add (i32.const 1) (call $recurse (i32.sub (local.get 0) (i32.const 1)))))))
  (func $deep (call $fail))
  (func (export "failing") (call $deep))
  (func $unreach (unreachable))
  (func (export "trap") (call $unreach))
  (elem (i32.const 0) $add))`;

const command = `(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 3))))`;

const imported = `(module
  (import "./host.mjs" "log" (func $log))
  (func $add (export "add") (param i32 i32) (result i32)
    (call $log)
    (i32.add (local.get 0) (local.get 1))))`;

/** Writes them. */
export async function writePrograms(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = {
    'one.wasm': wat(one),
    'command.wasm': wat(command),
    'esm.wasm': wat(imported),
    'host.mjs': 'export const log = () => {};\n',
    'esm.mjs': "import * as all from './esm.wasm';\nexport { all };\n",
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}
