// The second reader agrees with ours on what it knows, says what it does not know, and is loaded by nobody by accident.

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { readSections } from '../../../src/wasm/index.ts';
import { compareSections, crossCheckSections } from '../../../src/wasm/second-reader.ts';
import { linkedProgram } from '../../support/linked-program.ts';
import { wat } from '../../support/wat.ts';

const packages = new URL('../../../node_modules/', import.meta.url);

describe('agrees', () => {
  test.each([
    'sql.js/dist/sql-wasm.wasm',
    '@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm',
    'esbuild-wasm/esbuild.wasm',
    '@resvg/resvg-wasm/index_bg.wasm',
    'brotli-wasm/pkg.node/brotli_wasm_bg.wasm',
    'web-tree-sitter/web-tree-sitter.wasm',
    'tree-sitter-wasms/out/tree-sitter-c.wasm',
  ])('on %s', async (file) => {
    const bytes = new Uint8Array(await readFile(new URL(file, packages)));
    const seen = readSections(bytes).filter((s) => s.name !== 'dataCount').length;
    expect(await crossCheckSections(bytes)).toEqual({ kind: 'agrees', sections: seen });
  });

  test('on a module with symbols, relocations and debug information', async () => {
    const bytes = await linkedProgram('debug');
    expect(await crossCheckSections(bytes)).toEqual({ kind: 'agrees', sections: 26 });
  });

  test('on every form of element segment that it reads', async () => {
    const bytes = wat(`(module (table $t 4 funcref) (func $f)
      (elem (table $t) (i32.const 0) func $f) (elem func $f) (elem declare func $f)
      (elem funcref (ref.func $f) (ref.null func)))`);
    expect(await crossCheckSections(bytes)).toMatchObject({ kind: 'agrees' });
  });
});

describe('cannot read', () => {
  test.each([
    ['GC types', '(module (type $s (struct (field i32))) (func (param (ref null $s))))', /Unsupported type/],
    ['tag imports', '(module (import "env" "t" (tag (param i32))))', /import description type: 0x4/],
    ['64-bit memories', '(module (memory i64 1))', /64-bit limits/],
    ['SIMD globals', '(module (global v128 (v128.const i64x2 0 0)))', /Unexpected instruction|valtype/],
  ])('%s, and says so', async (_, text, reason) => {
    expect(await crossCheckSections(wat(text))).toEqual({
      kind: 'cannot-read',
      reason: expect.stringMatching(reason),
    });
  });
});

test('what ours cannot read is no matter for the second', async () => {
  await expect(crossCheckSections(wat('(module (func))').slice(0, -1))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_WASM_MALFORMED',
  });
});

test('the first difference is told from both sides', () => {
  const sections = readSections(wat('(module (func) (memory 1))'));
  const seen = sections.map(({ id, name, start, end }) => ({ name: id === 0 ? 'custom' : name, start, end }));
  expect(compareSections(sections, seen)).toEqual({ kind: 'agrees', sections: seen.length });
  const [first, second] = seen;
  if (first === undefined || second === undefined) throw new Error('too few sections');
  const shifted = [first, { ...second, end: second.end + 1 }, ...seen.slice(2)];
  expect(compareSections(sections, shifted)).toEqual({ kind: 'differs', ours: second, theirs: shifted[1] });
  expect(compareSections(sections, [first])).toEqual({ kind: 'differs', ours: second, theirs: undefined });
});
