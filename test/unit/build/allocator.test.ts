// Where a patch's data goes: the evidence that each decision needs, on programs that have it and programs that lack it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import type { Allocator } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { funcType, readModule, readSections } from '../../../src/wasm/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { story } from '../../support/story.ts';
import { wat } from '../../support/wat.ts';

const require = createRequire(import.meta.url);

/** What a patch with 5 bytes of data for the kernel's first or second function would use, or why it is refused. */
async function allocatorFor(kernel: Uint8Array, allocator?: string): Promise<Allocator | string> {
  const { bytes: target } = await prepare(kernel, { slots: 'all' });
  const m = readModule(kernel);
  const index = m.functions.length - m.imported.func < 2 ? m.imported.func : m.imported.func + 1;
  const { params, results } = funcType(m, index);
  const type = `(param ${params.join(' ')}) (result ${results.join(' ')})`;
  const text = `(module (import "target" "memory" (memory 0)) (import "patch" "memory_base" (global $b i32))
    (data (global.get $b) "hello") (func (export "fix") ${type} unreachable))`;
  const replacements = [{ function: `#${index}`, source: { kind: 'wat', text, file: 'fix.wat' } as const }];
  const options = { target, name: 'fix', replacements, ...(allocator === undefined ? {} : { allocator }) };
  return buildPatch(options).then(
    ({ manifest }) => manifest.memory?.allocator ?? 'none',
    (error: Error) => error.message,
  );
}

const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
const nothingSays =
  "the patch needs 5 bytes of the program's memory, and nothing says where they can safely be: ";
const bump = `(func (export "take") (param i32) (result i32) (memory.grow (local.get 0)))`;

describe('in WAT', () => {
  test.each([
    [
      'a malloc by name',
      `(memory 1) (func $malloc (param i32) (result i32) (i32.const 8)) ${bump}`,
      {
        kind: 'function',
        index: 0,
        name: 'malloc',
        hash: sha256,
        reason: 'the program\'s own "malloc" has type (i32) -> i32',
      },
    ],
    [
      'a malloc with its free',
      `(memory 1) (func $malloc (param i32) (result i32) (i32.const 8)) ${bump} (func $free (param i32))`,
      {
        kind: 'function',
        index: 0,
        name: 'malloc',
        hash: sha256,
        free: 2,
        reason: 'the program\'s own "malloc" has type (i32) -> i32',
      },
    ],
    [
      'a malloc with a free of another type',
      `(memory 1) (func $malloc (param i32) (result i32) (i32.const 8)) ${bump} (func $free (param i32 i32))`,
      {
        kind: 'function',
        index: 0,
        name: 'malloc',
        hash: sha256,
        reason: 'the program\'s own "malloc" has type (i32) -> i32',
      },
    ],
    [
      'memory that nobody grows',
      '(memory 1) (func (export "f") (param i32) (result i32) (local.get 0))',
      {
        kind: 'grow',
        reason:
          'the program never executes memory.grow or memory.size, so it cannot take added pages for its own',
      },
    ],
    [
      'an allocator without a name',
      `(memory 1) ${bump}`,
      `${nothingSays}it grows its memory itself, and nothing says which allocator it uses`,
    ],
    [
      'a malloc of another type',
      `(memory 1) (func (export "malloc") (param i64) (result i32) (i32.const 8)) ${bump}`,
      `${nothingSays}it grows its memory itself, and nothing says which allocator it uses`,
    ],
    [
      'an Emscripten program',
      `(import "env" "emscripten_resize_heap" (func $r (param i32) (result i32))) (memory 1) (func (export "f") (param i32) (result i32) (call $r (local.get 0)))`,
      `${nothingSays}it is an Emscripten program (it imports "emscripten_resize_heap"), whose sbrk takes pages that others added for its own`,
    ],
    [
      'memory at its maximum',
      '(memory 1 1) (func (export "f") (param i32) (result i32) (local.get 0))',
      `${nothingSays}its memory is at its maximum from the start, and it has no allocator with a known name`,
    ],
  ])('%s', async (_, kernel, expected) => {
    const bytes = wat(`(module ${kernel})`);
    expect(await allocatorFor(bytes)).toEqual(expected);
  });

  test('the author knows better: --allocator', async () => {
    const bytes = wat(
      `(module (memory 1) (func $mine (param i32) (result i32) (i32.const 8)) ${bump} (func $odd))`,
    );
    const choose = (choice: string): Promise<Allocator | string> => allocatorFor(bytes, choice);
    const reason = 'chosen by the author of the patch';
    expect(await choose('grow')).toEqual({ kind: 'grow', reason });
    const mine = { kind: 'function', index: 0, name: 'mine', hash: sha256, reason };
    expect(await choose('malloc=mine')).toEqual(mine);
    expect(await choose('malloc=#0')).toEqual(mine);
    expect(await choose('malloc=odd')).toBe(
      'invalid allocator: "odd" has type () -> (), an allocator has (i32) -> i32',
    );
    expect(await choose('malloc=nine')).toBe('the program has no function "nine"');
    expect(await choose('stack')).toBe(
      'invalid allocator: "stack" is none of grow, malloc=NAME, malloc=#INDEX',
    );
  });

  test("data from the program's malloc is aligned and cleared, wherever malloc puts it", async () => {
    const s = await story(`(module (memory (export "memory") 1) (global $next (mut i32) (i32.const 1001))
      (func $malloc (param i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.add (global.get $next) (local.get 0)))
        (local.get $at))
      (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))`);
    new Uint8Array(s.exports['memory'].buffer).fill(0xaa);
    const patch = await s.patch(
      'data',
      'f',
      `(module (import "target" "memory" (memory 0)) (import "patch" "memory_base" (global $b i32))
        (data (global.get $b) "\\01") (data (i32.add (global.get $b) (i32.const 8)) "\\02")
        (func (export "f") (param i32) (result i32)
          (i32.add (global.get $b) (i32.mul (i32.const 10000) (i32.load8_u (i32.add (global.get $b) (local.get 0)))))))`,
    );
    await s.patcher.apply(patch);
    expect([s.exports['f'](0), s.exports['f'](4), s.exports['f'](8)]).toEqual([11008, 1008, 21008]);
  });
});

/** A module without some of its custom sections. */
function without(bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const sections = readSections(bytes).filter((s) => s.id !== 0 || !names.includes(s.name));
  return Buffer.concat([bytes.subarray(0, 8), ...sections.map((s) => bytes.subarray(s.start, s.end))]);
}

describe('in real programs', () => {
  test('a C program for WASI: its malloc by name, or growing where the names are stripped', async () => {
    const source = `#include <stdlib.h>
      int main(int argc, char **argv) { void *p = malloc(argc * 1000000); free(p); return p == NULL; }`;
    const named = await compileC(source);
    expect(await allocatorFor(named)).toEqual({
      kind: 'function',
      index: expect.any(Number),
      name: 'malloc',
      free: expect.any(Number),
      hash: sha256,
      reason: 'the program\'s own "malloc" has type (i32) -> i32',
    });
    expect(await allocatorFor(without(named, ['name']))).toEqual({
      kind: 'grow',
      reason:
        "a C program for WASI: its allocator takes the address of new pages from memory.grow, so pages in between may be others'",
    });
    expect(await allocatorFor(without(named, ['name', 'producers']))).toBe(
      `${nothingSays}it grows its memory itself, and nothing says which allocator it uses`,
    );
  });

  test.each([
    ['esbuild (Go)', 'esbuild-wasm/esbuild.wasm', 'Go lays out the whole memory by itself'],
    ['sql.js (Emscripten)', 'sql.js/dist/sql-wasm.wasm', 'nothing says which allocator it uses'],
  ])('%s is refused', async (_, path, reason) => {
    const kernel = readFileSync(require.resolve(path));
    expect(await allocatorFor(kernel)).toEqual(expect.stringContaining(reason));
  });

  test('resvg (Rust): dlmalloc takes addresses from memory.grow', async () => {
    const kernel = readFileSync(require.resolve('@resvg/resvg-wasm/index_bg.wasm'));
    expect(await allocatorFor(kernel)).toMatchObject({
      kind: 'grow',
      reason: expect.stringContaining('a Rust program'),
    });
  });
});
