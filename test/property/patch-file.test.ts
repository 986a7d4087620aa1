// Patch files come over a socket: damage of any kind is a typed error, never a crash, a hang or a patch.

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { WgraftError } from '../../src/errors.ts';
import {
  allocates,
  consistencyModels,
  type Manifest,
  type PatchImport,
  type Replacement,
  readManifest,
  readPatch,
  writeManifest,
} from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { wat } from '../support/wat.ts';

let patch = new Uint8Array();

beforeAll(async () => {
  const kernel = wat(`(module (memory (export "memory") 1)
    (func (export "step") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`);
  const { bytes: target } = await prepare(kernel, { slots: 'all' });
  const text = `(module
    (import "target" "memory" (memory 0)) (import "patch" "memory_base" (global $base i32))
    (import "original" "step" (func $original (param i32) (result i32)))
    (data (global.get $base) "text of the patch")
    (func (export "step") (param i32) (result i32) (call $original (i32.load8_u (global.get $base)))))`;
  const source = { kind: 'wat', text, file: 'fix.wat' } as const;
  patch = (await buildPatch({ target, name: 'fix', replacements: [{ function: 'step', source }] })).bytes;
});

function codeOf(bytes: Uint8Array): string {
  try {
    readPatch(bytes);
    return 'read';
  } catch (error) {
    return WgraftError.is(error) ? error.code : `untyped: ${String(error)}`;
  }
}

const typed = ['WGRAFT_ERR_NOT_A_PATCH', 'WGRAFT_ERR_WASM_MALFORMED'];

test('cut off at any byte, a patch is refused', () => {
  expect(codeOf(patch)).toBe('read');
  for (let length = 0; length < patch.length; length += 1)
    expect(typed).toContain(codeOf(patch.subarray(0, length)));
});

test('with any byte changed, a patch is refused', () => {
  for (let at = 0; at < patch.length; at += 1) {
    const damaged = patch.slice();
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
    expect(typed).toContain(codeOf(damaged));
  }
});

test('random bytes in any places are refused', () => {
  const changes = fc.array(fc.tuple(fc.nat({ max: 5000 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(changes, (list) => {
      const damaged = patch.slice();
      for (const [at, value] of list) damaged[at % damaged.length] = value;
      fc.pre(!Buffer.from(damaged).equals(Buffer.from(patch)));
      expect(typed).toContain(codeOf(damaged));
    }),
    { numRuns: 500 },
  );
});

const u32 = fc.nat({ max: 0xffffffff });
const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const source = fc.oneof(
  fc.record({ from: fc.constantFrom('memory', 'table', 'global', 'tag'), index: u32 }),
  fc.record(
    { from: fc.constantFrom('func', 'function-address'), index: u32, hash },
    { requiredKeys: ['from', 'index'] },
  ),
  fc.record({ from: fc.constantFrom('memory-base', 'table-base') }),
  fc.record({ from: fc.constant('address'), address: u32 }),
  fc.record({
    from: fc.constant('shadow'),
    operation: fc.constantFrom('get', 'alloc', 'getOrAlloc', 'free', 'freeAll'),
  }),
  fc.record({ from: fc.constant('state'), operation: fc.constantFrom('get', 'previous') }),
  fc.record({ from: fc.constant('host'), host: fc.record({ module: fc.string(), name: fc.string() }) }),
);
const imports = fc.tuple(fc.string(), fc.string(), source).map(
  ([module, name, rest]) => ({ module, name, ...rest }) as PatchImport, // fc.oneof loses the union of literals
);
const replacement: fc.Arbitrary<Replacement> = fc.record(
  {
    index: u32,
    name: fc.option(fc.string(), { nil: undefined }),
    slot: u32,
    type: fc.string(),
    hash,
    export: fc.string(),
    original: fc.string(),
    unchanged: fc.constant(true as const),
  },
  { requiredKeys: ['index', 'name', 'slot', 'type', 'hash', 'export'] },
);
const allocator = fc.oneof(
  fc.record({ kind: fc.constant('grow' as const), reason: fc.string() }),
  fc.record(
    {
      kind: fc.constant('function' as const),
      reason: fc.string(),
      index: u32,
      name: fc.option(fc.string(), { nil: undefined }),
      free: u32,
      hash,
    },
    { requiredKeys: ['kind', 'reason', 'index', 'name'] },
  ),
);
const callbacks = fc.record(
  { prePatch: fc.string(), postPatch: fc.string(), preUnpatch: fc.string(), postUnpatch: fc.string() },
  { requiredKeys: [] },
);
const manifests: fc.Arbitrary<Manifest> = fc.record(
  {
    format: fc.constant(1 as const),
    name: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
    target: fc.record({ buildId: hash, name: fc.string() }, { requiredKeys: ['buildId'] }),
    replaces: fc.uniqueArray(replacement, { minLength: 1, selector: (r) => r.slot }),
    imports: fc.array(imports),
    memory: fc.record({ sizeBytes: u32, alignBytes: fc.nat({ max: 16 }).map((n) => 2 ** n), allocator }),
    table: fc.record({ size: u32 }),
    callbacks,
    states: fc.uniqueArray(
      fc.record({ id: fc.integer({ min: 1, max: 0xffffffff }), version: fc.nat({ max: 0xfffffffe }) }),
      { selector: (state) => state.id },
    ),
    cumulative: fc.boolean(),
    model: fc.constantFrom(...consistencyModels),
    metadata: fc.record(
      { description: fc.string(), author: fc.string(), cves: fc.array(fc.string()) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['format', 'name', 'target', 'replaces', 'imports', 'metadata'] },
);

test('every manifest is read as it was written', () => {
  const allocating = ({ imports: all }: Manifest): boolean =>
    all.some((i) => i.from === 'shadow' && allocates(i.operation));
  fc.assert(
    fc.property(manifests, (m) => {
      fc.pre(m.memory !== undefined || !allocating(m));
      expect(readManifest(writeManifest(m))).toEqual(m);
    }),
  );
});

test('JSON that is no manifest is refused', () => {
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value) ?? '');
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(() => readManifest(bytes(value))).toThrow(
        expect.objectContaining({ code: 'WGRAFT_ERR_NOT_A_PATCH' }),
      );
    }),
  );
});
