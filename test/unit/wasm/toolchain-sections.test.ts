// producers, target_features and build_id: what tools say of their work.

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  addProducer,
  readBuildId,
  readProducers,
  readSections,
  readTargetFeatures,
  type Section,
  Writer,
  writeBuildId,
  writeProducers,
  writeTargetFeatures,
} from '../../../src/wasm/index.ts';
import { linkedProgram } from '../../support/linked-program.ts';
import { wat } from '../../support/wat.ts';

const withSection = (name: string, payload: ArrayLike<number>): Uint8Array =>
  new Writer().raw(wat('(module)')).custom(name, payload).toBytes();
const payloadOf = (bytes: Uint8Array, name: string): Uint8Array | undefined => {
  const section = readSections(bytes).find((s: Section) => s.name === name);
  return section && bytes.slice(section.payload, section.end);
};

describe('producers', () => {
  test('clang names itself, and its language where it has debug information', async () => {
    const bytes = await linkedProgram('debug');
    const fields = readProducers(bytes, readSections(bytes));
    expect(fields?.map((f) => [f.name, f.producers.map((p) => p.name)])).toEqual([
      ['language', ['C11']],
      ['processed-by', ['clang']],
    ]);
  });

  test.each(['esbuild-wasm/esbuild.wasm', '@resvg/resvg-wasm/index_bg.wasm'])(
    'those of %s are written again byte for byte',
    async (file) => {
      const bytes = await readFile(new URL(`../../../node_modules/${file}`, import.meta.url));
      const fields = readProducers(bytes, readSections(bytes)) ?? [];
      expect(fields.length).toBeGreaterThan(0);
      expect(writeProducers(fields)).toEqual(payloadOf(new Uint8Array(bytes), 'producers'));
    },
  );

  test('a tool adds itself once, at the end, with its last version', () => {
    const before = [{ name: 'processed-by', producers: [{ name: 'clang', version: '22' }] }];
    const once = addProducer(before, 'processed-by', { name: 'wgraft', version: '1' });
    const twice = addProducer(once, 'processed-by', { name: 'wgraft', version: '2' });
    expect(twice).toEqual([
      {
        name: 'processed-by',
        producers: [
          { name: 'clang', version: '22' },
          { name: 'wgraft', version: '2' },
        ],
      },
    ]);
    expect(addProducer([], 'sdk', { name: 'x', version: '' })).toEqual([
      { name: 'sdk', producers: [{ name: 'x', version: '' }] },
    ]);
    expect(before).toEqual([{ name: 'processed-by', producers: [{ name: 'clang', version: '22' }] }]);
  });

  test.each([
    ['a field without producers', [1, 1, 0x61]],
    ['more fields than bytes', [0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['bytes left', [0, 0]],
    ['a name that is not UTF-8', [1, 1, 0xff, 0]],
  ])('%s is malformed', (_, payload) => {
    const bytes = withSection('producers', payload);
    expect(() => readProducers(bytes, readSections(bytes))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});

describe('target features', () => {
  test('those of clang are read and written again byte for byte', async () => {
    const bytes = await linkedProgram('threads');
    const features = readTargetFeatures(bytes, readSections(bytes)) ?? [];
    expect(features).toEqual(expect.arrayContaining([{ prefix: '+', name: 'atomics' }]));
    expect(writeTargetFeatures(features)).toEqual(payloadOf(bytes, 'target_features'));
  });

  test('all prefixes', () => {
    const features = [
      { prefix: '+', name: 'simd128' },
      { prefix: '-', name: 'atomics' },
      { prefix: '=', name: 'tail-call' },
    ] as const;
    const bytes = withSection('target_features', writeTargetFeatures(features));
    expect(readTargetFeatures(bytes, readSections(bytes))).toEqual(features);
  });

  test.each([
    ['a prefix that there is not', [1, 0x2a, 1, 0x61]],
    ['a feature without a name', [1, 0x2b]],
    ['bytes left', [0, 0]],
  ])('%s is malformed', (_, payload) => {
    const bytes = withSection('target_features', payload);
    expect(() => readTargetFeatures(bytes, readSections(bytes))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});

describe('build id', () => {
  test('is read as it was written; a module without one has none', () => {
    const id = new Uint8Array([1, 2, 0xff]);
    const bytes = withSection('build_id', writeBuildId(id));
    expect(readBuildId(bytes, readSections(bytes))).toEqual(id);
    expect(readBuildId(wat('(module)'), readSections(wat('(module)')))).toBeUndefined();
  });

  test('longer than its section is malformed', () => {
    const bytes = withSection('build_id', [4, 1, 2]);
    expect(() => readBuildId(bytes, readSections(bytes))).toThrow(
      expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' }),
    );
  });
});
