// A `try` is found wherever it stands, and nothing else is taken for one: real code of every kind, with one put in.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bodyReader, hasTryBlocks, op, readModule, type WasmModule, walk } from '../../src/wasm/index.ts';
import { kernels } from '../support/kernels.ts';
import { wat } from '../support/wat.ts';

const require = createRequire(import.meta.url);

/** C, Rust, C++ with SIMD, Wasm GC, and every instruction that our own kernels use. */
const modules: WasmModule[] = [
  ...[
    'sql.js/dist/sql-wasm.wasm',
    '@resvg/resvg-wasm/index_bg.wasm',
    '@jsquash/webp/codec/enc/webp_enc_simd.wasm',
    '@wasm-fmt/dart_fmt/dart_fmt.wasm',
  ].map((file) => readModule(readFileSync(require.resolve(file)))),
  ...kernels.map(({ text }) => readModule(wat(text))),
];

interface Code {
  readonly module: WasmModule;
  /** Where instructions begin. */
  readonly starts: readonly number[];
  readonly tries: number;
}

/** One body, as if it were the only one of its module. */
const code: fc.Arbitrary<Code> = fc
  .constantFrom(...modules)
  .chain((m) => fc.constantFrom(...m.bodies.map((body) => ({ m, body }))))
  .map(({ m, body }) => {
    const starts: number[] = [];
    let tries = 0;
    walk(bodyReader(m.bytes, body), ({ opcode, at }) => {
      starts.push(at);
      if (opcode === op.try || opcode === op.tryTable) tries += 1;
    });
    return { module: { ...m, bodies: [body] }, starts, tries };
  });

const tries = fc.constantFrom(
  [op.try, 0x40, op.end],
  [op.try, 0x63, 0x70, op.end],
  [op.tryTable, 0x40, 0, op.end],
);

function withCode({ module }: Code, at: number, more: readonly number[]): WasmModule {
  const [body] = module.bodies;
  if (body === undefined) throw new Error('no body');
  const bytes = Uint8Array.from([
    ...module.bytes.subarray(body.start, at),
    ...more,
    ...module.bytes.subarray(at, body.end),
  ]);
  return { ...module, bytes, bodies: [{ ...body, start: 0, end: bytes.length }] };
}

test('what reads all instructions finds the same', () => {
  fc.assert(
    fc.property(code, ({ module, tries }) => {
      expect(hasTryBlocks(module)).toBe(tries > 0);
    }),
    { numRuns: 2000 },
  );
});

test('one that is put in is found', () => {
  fc.assert(
    fc.property(code, fc.nat(), tries, (given, place, inserted) => {
      fc.pre(given.tries === 0);
      const at = given.starts[place % given.starts.length] ?? 0;
      expect(hasTryBlocks(withCode(given, at, inserted))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
