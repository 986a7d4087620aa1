// What cannot become a patch is refused when it is built, with the reason, the place and what to do.

import { beforeAll, describe, expect, test } from 'vitest';
import { type BuildOptions, buildPatch } from '../../../src/build/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { wat } from '../../support/wat.ts';

const kernel = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table $handlers (export "handlers") 4 funcref)
  (global $total (mut i32) (i32.const 0))
  (global $seed i32 (i32.const 9))
  (func $parse (export "parse") (param i32) (result i32) (call $leaf (local.get 0)))
  (func $format (export "format") (param i32 f64) (result i32) (local.get 0))
  (func $leaf (param i32) (result i32) (local.get 0)))`;

let target = new Uint8Array();

beforeAll(async () => {
  target = (await prepare(wat(kernel), { slots: 'all' })).bytes;
});

/** Code, message and hint of what building says; the file is fix.wat. */
async function refusal(
  text: string,
  options: Partial<BuildOptions> & { of?: string } = {},
): Promise<string[]> {
  const { of = 'parse', ...more } = options;
  const replacements = [{ function: of, source: { kind: 'wat', text, file: 'fix.wat' } as const }];
  const error: unknown = await buildPatch({ target, name: 'fix', replacements, ...more }).then(
    () => new Error('it was built'),
    (e: unknown) => e,
  );
  if (!(error instanceof Error)) throw error;
  const { code, message, hint } = error as Error & { code?: string; hint?: string };
  return [code ?? '', message, ...(hint === undefined ? [] : [hint])];
}

const body = '(func $parse (export "parse") (param i32) (result i32) (local.get 0))';

describe('sources', () => {
  test('that do not parse: file, line and column', async () => {
    expect(
      await refusal('(module\n  (func (export "parse") (param i32) (result i32)\n    (local.gte 0)))'),
    ).toEqual([
      'WGRAFT_ERR_SOURCE_INVALID',
      'fix.wat does not compile:\nfix.wat:3:6: unexpected token "local.gte", expected an instr.',
    ]);
  });

  test('with a type error: file, line and column', async () => {
    expect(
      await refusal('(module (func (export "parse") (param i32) (result i32)\n  (f32.const 1)))'),
    ).toEqual([
      'WGRAFT_ERR_SOURCE_INVALID',
      'fix.wat does not compile:\n' +
        'fix.wat:2:4: type mismatch in implicit return, expected [i32] but got [f32]',
    ]);
  });

  test('that only binaryen can parse, with a type error', async () => {
    const [code, message] = await refusal(
      `(module (type $p (struct (field i32))) (func (export "parse") (param i32) (result i32)
        (struct.get $p 0 (local.get 0))))`,
    );
    expect(code).toBe('WGRAFT_ERR_SOURCE_INVALID');
    expect(message).toMatch(/^fix\.wat does not compile:\nfix\.wat/);
  });

  test('nested too deeply: what stops one parser is left to the other, and none hangs', async () => {
    const nested = (depth: number): string =>
      `(module (func (export "parse") (param i32) (result i32) ${'block '.repeat(depth)} ${'end '.repeat(depth)} i32.const 7))`;
    expect(await refusal(nested(300))).toEqual(['', 'it was built']);
    expect(await refusal(nested(50_000))).toEqual([
      'WGRAFT_ERR_SOURCE_INVALID',
      'fix.wat does not compile:\nfix.wat: it is nested too deeply to be parsed',
    ]);
  });

  test('without the replacement', async () => {
    expect(await refusal('(module (func $prase (param i32) (result i32) (local.get 0)))')).toEqual([
      'WGRAFT_ERR_REPLACEMENT_MISSING',
      'fix.wat has no function that replaces "parse"',
      'it defines "prase"; name or export the replacement like the function that it replaces',
    ]);
  });

  test('with a replacement of another type', async () => {
    expect(await refusal('(module (func $parse (param i32 i32) (result i32) (local.get 0)))')).toEqual([
      'WGRAFT_ERR_SIGNATURE_CHANGED',
      'the replacement of "parse" in fix.wat has type (i32, i32) -> i32, not (i32) -> i32',
      'a replacement has exactly the type of the function that it replaces',
    ]);
  });

  test('with a start function, and with data or functions at fixed places', async () => {
    expect(await refusal(`(module (func $s) (start $s) ${body})`)).toEqual([
      'WGRAFT_ERR_SOURCE_UNSUPPORTED',
      'fix.wat cannot become a patch: it has a start function; nothing of a patch runs before the program calls a replaced function',
    ]);
    const data = `(module (import "target" "memory" (memory 1)) (data (i32.const 1024) "x") ${body})`;
    expect(await refusal(data)).toEqual([
      'WGRAFT_ERR_SOURCE_UNSUPPORTED',
      expect.stringMatching(
        /its data segment \(at offset 0x\w+\) has a place of its own in the program's memory/,
      ),
      expect.stringContaining('(import "patch" "memory_base" (global $memory_base i32))'),
    ]);
    const element = `(module (import "target" "handlers" (table 4 funcref)) (elem (i32.const 0) $parse) ${body})`;
    expect((await refusal(element))[1]).toContain(
      'its element segment (at offset 0x39) has a place of its own',
    );
    const gap = `(module (import "target" "handlers" (table 4 funcref)) (import "patch" "table_base" (global $b i32))
      (elem (offset (i32.add (global.get $b) (i32.const 1))) $parse) ${body})`;
    expect((await refusal(gap))[1]).toBe(
      'fix.wat cannot become a patch: entry 0 after the table base has no function',
    );
  });
});

describe('imports', () => {
  const importing = (item: string): Promise<string[]> => refusal(`(module (import ${item}) ${body})`);

  test('that the program does not have', async () => {
    expect(await importing('"target" "pasre" (func (param i32) (result i32))')).toEqual([
      'WGRAFT_ERR_FUNCTION_UNKNOWN',
      'the program has no function "pasre"',
      'did you mean "parse"?',
    ]);
    expect(await importing('"target" "totla" (global (mut i32))')).toEqual([
      'WGRAFT_ERR_IMPORT_UNRESOLVED',
      'import "target" "totla" of fix.wat cannot be resolved: the program has no global "totla"',
      'did you mean "total"?',
    ]);
    expect((await importing('"target" "#3" (global (mut i32))'))[1]).toContain(
      'the program has no global "#3"',
    );
    expect((await importing('"target" "__wgraft_slots" (table 0 funcref)'))[1]).toContain('has no table');
    expect((await importing('"patch" "stack_base" (global i32)'))[1]).toContain(
      'a patch offers memory_base, table_base, shadow_get, ',
    );
  });

  test('declared otherwise than the program has them', async () => {
    expect(await importing('"target" "format" (func (param i32 f32) (result i32))')).toEqual([
      'WGRAFT_ERR_IMPORT_TYPE',
      'import "target" "format" of fix.wat is declared (i32, f32) -> i32, the program has (i32, f64) -> i32',
      'declare it as the program has it',
    ]);
    expect((await importing('"target" "total" (global i32)'))[1]).toBe(
      'import "target" "total" of fix.wat is declared i32, the program has (mut i32)',
    );
    expect((await importing('"target" "handlers" (table 0 externref)'))[1]).toBe(
      'import "target" "handlers" of fix.wat is declared a table of externref, the program has a table of funcref',
    );
    expect((await importing('"target" "memory" (memory i64 1)'))[1]).toBe(
      'import "target" "memory" of fix.wat is declared a 64-bit memory, the program has a 32-bit memory',
    );
    const wasi = '"wasi_snapshot_preview1" "fd_write" (func (param i32))';
    expect((await importing(wasi))[1]).toContain('the program has (i32, i32, i32, i32) -> i32');
  });

  test('of an original that this patch does not replace', async () => {
    expect(await importing('"original" "format" (func (param i32 f64) (result i32))')).toEqual([
      'WGRAFT_ERR_IMPORT_UNRESOLVED',
      'import "original" "format" of fix.wat cannot be resolved: this patch does not replace "format"',
      'import "target" "format" instead',
    ]);
  });

  test('that the host did not give the program, unless allowed by name', async () => {
    const text =
      '(module (import "host" "env.trace" (func $trace)) (func $parse (export "parse") (param i32) (result i32) (call $trace) (local.get 0)))';
    expect(await refusal(text)).toEqual([
      'WGRAFT_ERR_IMPORT_NOT_ALLOWED',
      'fix.wat imports "env.trace", which the program does not import',
      'what the program itself has is imported from "target"; if the host is to give it to the patch, allow it by name: --allow-import env.trace',
    ]);
    const replacements = [{ function: 'parse', source: { kind: 'wat', text, file: 'fix.wat' } as const }];
    const { manifest } = await buildPatch({ target, name: 'fix', replacements, allowImports: ['env.trace'] });
    expect(manifest.imports).toEqual([
      { module: 'target', name: 'env.trace', from: 'host', host: { module: 'env', name: 'trace' } },
    ]);
  });

  test('of addresses, without the original build', async () => {
    const text = `(module (import "address" "counter" (global $a i32))
      (func $parse (export "parse") (param i32) (result i32) (global.get $a)))`;
    expect(await refusal(text)).toEqual([
      'WGRAFT_ERR_SYMBOLS_MISSING',
      'fix.wat uses the program\'s data "counter", whose addresses are not known',
      'give the original build, linked with --emit-relocs: its symbol table has the addresses (--symbols ORIGINAL.wasm)',
    ]);
    expect(await refusal(text, { symbols: wat('(module)') })).toEqual([
      'WGRAFT_ERR_SYMBOLS_UNSUITABLE',
      expect.stringMatching(
        /^the symbols do not fit the target: the target was prepared from \w{12}, this is \w{12}$/,
      ),
      'they must be the very module that was prepared, linked with --emit-relocs',
    ]);
    expect((await refusal(text, { symbols: wat(kernel) }))[1]).toBe(
      'the symbols do not fit the target: it has no symbol table',
    );
  });
});

describe('targets and options', () => {
  const fix = `(module ${body})`;

  test('a module that is not prepared', async () => {
    expect(await refusal(fix, { target: wat(kernel) })).toEqual([
      'WGRAFT_ERR_NOT_PREPARED',
      'the target is not a prepared module',
      'prepare it first: wgraft prepare IN.wasm -o OUT.wasm',
    ]);
  });

  test('a function without a slot, and why it has none', async () => {
    const unmarked = `(module (import "env" "__fentry__" (func $fentry)) (func $hit (call $fentry))
      (func $f (export "f") (param i32) (result i32) (local.get 0)))`;
    const { bytes: target } = await prepare(wat(unmarked));
    expect(await refusal(fix, { of: 'f', target })).toEqual([
      'WGRAFT_ERR_SLOT_MISSING',
      '"f" has no slot: the compiler did not mark it with an fentry prologue',
      'replace the functions that call it, or build the program without no_instrument_function on it',
    ]);
    expect((await refusal(fix, { of: 'fd_write' }))[1]).toBe(
      '"fd_write" has no slot: it is an import of the program',
    );
  });

  test('options that cannot be', async () => {
    expect(await refusal(fix, { name: 'a b' })).toEqual([
      'WGRAFT_ERR_OPTION_INVALID',
      'invalid name: "a b" is not at most 64 of A-Z a-z 0-9 . _ -',
    ]);
    expect((await refusal(fix, { replacements: [] }))[1]).toBe(
      'invalid replacements: a patch replaces at least one function',
    );
    const source = { kind: 'wat', text: fix, file: 'fix.wat' } as const;
    const twice = [
      { function: 'parse', source },
      { function: '#1', source },
    ];
    expect((await refusal(fix, { replacements: twice }))[1]).toBe(
      'invalid replacements: "parse" is replaced twice',
    );
  });
});
