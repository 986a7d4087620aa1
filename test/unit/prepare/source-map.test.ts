// Source maps behind guards: every mapping of the kernel's map has to be there, on the same instruction, and no other.

import { decode, encode } from '@jridgewell/sourcemap-codec';
import asc from 'assemblyscript/asc';
import { beforeAll, describe, expect, test } from 'vitest';
import { prepare, prepareSync } from '../../../src/prepare/index.ts';
import { findCustom, Reader, readModule, Writer } from '../../../src/wasm/index.ts';
import { movedCode } from '../../support/moved-code.ts';
import { wat, withCustom } from '../../support/wat.ts';

const source = `
export class Point { constructor(public x: f64, public y: f64) {} }
const points = new Map<string, Point>();
let calls = 0;
function length(p: Point): f64 { calls += 1; return Math.sqrt(p.x * p.x + p.y * p.y); }
export function add(name: string, x: f64, y: f64): void { points.set(name, new Point(x, y)); }
export function total(): f64 {
  let sum = 0.0;
  const all = points.values();
  for (let i = 0; i < all.length; i++) sum += length(all[i]);
  return sum;
}
export function label(n: i32): string { return n > 0 ? "number " + n.toString() : "none"; }
`;

interface Built {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly map: string;
}

/** What AssemblyScript writes, with a map beside the module. */
async function compile(mode: '-O' | '--debug'): Promise<Built> {
  const written = new Map<string, string | Uint8Array>();
  const { error } = await asc.main(['index.ts', '--outFile', 'out.wasm', '--sourceMap', mode], {
    readFile: (name) => (name === 'index.ts' ? source : null),
    writeFile: (name, contents) => void written.set(name, contents),
    listFiles: () => [],
  });
  const [wasm, map] = [written.get('out.wasm'), written.get('out.wasm.map')];
  if (error || wasm === undefined || typeof wasm === 'string' || typeof map !== 'string')
    throw error ?? new Error('asc wrote no map');
  return { wasm: new Uint8Array(wasm), map };
}

interface SourceMap {
  readonly mappings: string;
  readonly sources: readonly string[];
}

const parse = (map: string): SourceMap => JSON.parse(map) as SourceMap;

function urlOf(wasm: Uint8Array): string | undefined {
  const section = findCustom(readModule(wasm).sections, 'sourceMappingURL');
  return section && new Reader(wasm, section.payload, section.end).name();
}

function inline(wasm: Uint8Array, url: string): Uint8Array<ArrayBuffer> {
  const m = readModule(wasm);
  const kept = m.sections.filter((s) => s.name !== 'sourceMappingURL');
  const bytes = Buffer.concat([wasm.subarray(0, 8), ...kept.map((s) => wasm.subarray(s.start, s.end))]);
  return withCustom(bytes, { sourceMappingURL: new Writer().name(url).toBytes() });
}

/** The second map is the first one on the moved code. */
function expectMoved(kernel: Uint8Array, prepared: Uint8Array, maps: { old: string; next: string }): void {
  const [old, next] = [parse(maps.old), parse(maps.next)];
  const { to } = movedCode(readModule(kernel), readModule(prepared));
  const expected = (decode(old.mappings)[0] ?? []).map(([column, ...rest]) => [to.get(column), ...rest]);
  expect(expected.length).toBeGreaterThan(100);
  expect(decode(next.mappings)).toEqual([expected]);
  expect({ ...next, mappings: '' }).toEqual({ ...old, mappings: '' });
}

describe.each(['-O', '--debug'] as const)('AssemblyScript %s', (mode) => {
  let built: Built;
  beforeAll(async () => {
    built = await compile(mode);
  });

  test.each(['all', 'auto', 'entry'] as const)('a map beside the module, slots %s', async (slots) => {
    const { wasm, map } = built;
    const made = await prepare(wasm, { slots, sourceMap: { content: map, url: 'new.wasm.map' } });
    expectMoved(wasm, made.bytes, { old: map, next: made.sourceMap ?? '' });
    expect(urlOf(made.bytes)).toBe('new.wasm.map');
    expect(made.report.moved).toEqual(['sourceMappingURL']);
    expect(made.report.dropped).toEqual([]);
  });

  test.each([
    ['base64', (map: string) => `;base64,${Buffer.from(map).toString('base64')}`],
    [
      'base64 with a charset',
      (map: string) => `;charset=utf-8;base64,${Buffer.from(map).toString('base64')}`,
    ],
    ['text', (map: string) => `,${encodeURIComponent(map)}`],
  ])('a map in the module, %s', async (_, write) => {
    const wasm = inline(built.wasm, `data:application/json${write(built.map)}`);
    const made = await prepare(wasm);
    const url = urlOf(made.bytes) ?? '';
    const next = Buffer.from(url.replace('data:application/json;base64,', ''), 'base64').toString();
    expectMoved(wasm, made.bytes, { old: built.map, next });
    expect([made.report.moved, made.report.dropped, made.sourceMap]).toEqual([
      ['sourceMappingURL'],
      [],
      undefined,
    ]);
    expect(prepareSync(wasm)?.bytes).toEqual(made.bytes);
  });

  test('without the map there is no name of one', async () => {
    const made = await prepare(built.wasm);
    expect(urlOf(made.bytes)).toBeUndefined();
    expect(made.report.dropped).toEqual(['sourceMappingURL']);
    expect(made.sourceMap).toBeUndefined();
  });
});

describe('a map that is none', () => {
  const kernel = wat('(module (func (export "f") (result i32) (i32.const 1)))');
  const valid = { version: 3, sources: ['a.ts'], names: [], mappings: '' };
  const damaged: [string, string][] = [
    ['no JSON', '{'],
    ['no object', '3'],
    ['another version', JSON.stringify({ ...valid, version: 2 })],
    ['no mappings', JSON.stringify({ version: 3 })],
    ['damaged mappings', JSON.stringify({ ...valid, mappings: 'A*A' })],
    ['an index of maps', JSON.stringify({ version: 3, sections: [] })],
  ];

  test.each(damaged)('%s: refused where it is given', async (_, content) => {
    await expect(prepare(kernel, { sourceMap: { content, url: 'x' } })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_OPTION_INVALID',
      details: { option: 'sourceMap' },
    });
  });

  test.each(damaged)('%s: left out where it is in the module', async (_, content) => {
    const url = `data:application/json;base64,${Buffer.from(content).toString('base64')}`;
    const { bytes, report } = await prepare(inline(kernel, url));
    expect([urlOf(bytes), report.dropped]).toEqual([undefined, ['sourceMappingURL']]);
  });

  test.each([
    ['not encoded as a URL', 'data:application/json,%E0%A4%A'],
    ['of another type', 'data:text/plain,{}'],
    ['a file', './app.wasm.map'],
  ])('%s: left out', async (_, url) => {
    const { bytes, report } = await prepare(inline(kernel, url));
    expect([urlOf(bytes), report.dropped]).toEqual([undefined, ['sourceMappingURL']]);
  });

  test('what is outside of the code is left out; a value cut off in the middle counts as far as it goes', async () => {
    const { bodies } = readModule(kernel);
    const first = (bodies[0]?.start ?? 0) + 1;
    const mappings = encode([
      [
        [0, 0, 0, 0],
        [first, 0, 1, 2],
        [100_000, 0, 3, 4],
      ],
      [[first, 0, 5, 6]],
    ]);
    for (const end of ['', 'g']) {
      const content = JSON.stringify({ ...valid, mappings: mappings + end });
      const { bytes, sourceMap } = await prepare(kernel, { sourceMap: { content, url: 'x' } });
      const { to } = movedCode(readModule(kernel), readModule(bytes));
      expect(decode(parse(sourceMap ?? '').mappings)).toEqual([[[to.get(first), 0, 1, 2]]]);
    }
  });

  test('options that say nothing', async () => {
    for (const sourceMap of [null, {}, { content: '{}' }, 'map'] as unknown[])
      await expect(prepare(kernel, { sourceMap } as object)).rejects.toMatchObject({
        code: 'WGRAFT_ERR_OPTION_INVALID',
      });
    const given = { content: JSON.stringify(valid), url: 'x' };
    await expect(prepare(kernel, { engine: 'binaryen', sourceMap: given })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_OPTION_INVALID',
    });
  });
});
