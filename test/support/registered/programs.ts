// The modules that observe.mjs and the tests of the hook load, in a folder.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeProducers, writeTargetFeatures } from '../../../src/wasm/index.ts';
import { wat, withCustom } from '../wat.ts';

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

const hinted = `(module $hinted
  (import "env" "__fentry__" (func $hook))
  (import "env" "after" (func $after (param i32)))
  (func $f (export "f") (param $input i32) (result i32)
    (call $hook)
    (call $after (local.get $input))
    (@metadata.code.branch_hint "\\01")
    (if (local.get $input) (then (return (i32.const 1))))
    (i32.const 3))
  (func $g (export "g") (call $hook)))`;

/** Custom sections that preparing changes or leaves out, each in a module of its own where there can be two forms. */
function withSections(): Record<string, Uint8Array> {
  const bare = wat('(module (func (export "f") (param i32) (result i32) (local.get 0)))');
  const text = (value: string): Uint8Array => Uint8Array.of(value.length, ...Buffer.from(value));
  const tools = [{ name: 'processed-by', producers: [{ name: 'clang', version: '22' }] }];
  const features = writeTargetFeatures([{ prefix: '+', name: 'bulk-memory' }]);
  return {
    'toolchain.wasm': withCustom(bare, {
      producers: writeProducers(tools),
      target_features: features,
      build_id: text('id'),
      external_debug_info: text('x.debug.wasm'),
      sourceMappingURL: text('x.wasm.map'),
    }),
    // Lengths and counts in more bytes than they need, subsections in no order, and a name section that ends early.
    'long-numbers.wasm': withCustom(bare, {
      name: Uint8Array.of(2, 0x81, 0, 0, 1, 0x86, 0x80, 0, 0x81, 0, 0x80, 0, 1, 0x66, 0, 2, 1, 0x6d),
      producers: Uint8Array.of(0x80, 0),
    }),
    'cut.wasm': withCustom(bare, { name: Uint8Array.of(1, 4, 1, 0, 9, 9), producers: Uint8Array.of(3) }),
    'hinted.wasm': wat(hinted),
  };
}

/** Writes them. */
export async function writePrograms(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = {
    'one.wasm': wat(one),
    'command.wasm': wat(command),
    'esm.wasm': wat(imported),
    ...withSections(),
    'host.mjs': 'export const log = () => {};\n',
    'esm.mjs': "import * as all from './esm.wasm';\nexport { all };\n",
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}
