import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepare, prepareCached } from '../../../src/prepare/index.ts';
import { wat } from '../../support/wat.ts';

const kernel = wat('(module (func (export "one") (result i32) (i32.const 1)))');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wgraft-cache-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the cache of prepared modules', () => {
  test('gives what prepare gives, first made and then kept', async () => {
    const { bytes } = await prepare(kernel, { slots: 'all' });
    const first = await prepareCached(kernel, { slots: 'all', folder });
    const second = await prepareCached(kernel, { slots: 'all', folder });
    expect(first).toEqual({ bytes, cache: 'made', file: first.file });
    expect(second).toEqual({ bytes, cache: 'hit', file: first.file });
    expect((await stat(first.file)).mode & 0o777).toBe(0o600);
  });

  test('keeps what other options or another module give apart', async () => {
    const other = wat('(module (func (export "one") (result i32) (i32.const 2)))');
    const results = [
      await prepareCached(kernel, { folder }),
      await prepareCached(kernel, { folder, slots: 'all' }),
      await prepareCached(kernel, { folder, slots: 'entry' }),
      await prepareCached(kernel, { folder, engine: 'splice' }),
      await prepareCached(other, { folder }),
    ];
    expect(results.map((r) => r.cache)).toEqual(['made', 'made', 'made', 'made', 'made']);
    expect(await readdir(folder)).toHaveLength(5);
  });

  test('makes an entry again that is cut or changed at any byte', async () => {
    const { file, bytes } = await prepareCached(kernel, { folder });
    const good = await readFile(file);
    const changed = [0, 31, 32, good.length - 1].map((at) => {
      const copy = Buffer.from(good);
      copy[at] = (copy[at] ?? 0) ^ 1;
      return copy;
    });
    const cut = [0, 10, 32, 33, good.length - 1].map((length) => good.subarray(0, length));
    for (const bad of [...changed, ...cut]) {
      await writeFile(file, bad);
      expect(await prepareCached(kernel, { folder })).toEqual({ bytes, cache: 'made', file });
      expect(await readFile(file)).toEqual(good);
    }
  });

  test('is right where many make it at the same time', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => prepareCached(kernel, { folder })));
    expect(new Set(all.map((r) => Buffer.from(r.bytes).toString('hex'))).size).toBe(1);
    expect(await readdir(folder)).toHaveLength(1);
  });

  test('drops entries that nobody used for a month', async () => {
    const old = await prepareCached(kernel, { folder, slots: 'all' });
    const used = await prepareCached(kernel, { folder, slots: 'entry' });
    const longAgo = new Date(Date.now() - 40 * 24 * 60 * 60 * 1000);
    await utimes(old.file, longAgo, longAgo);
    await utimes(used.file, longAgo, longAgo);
    await prepareCached(kernel, { folder, slots: 'entry' });
    const made = await prepareCached(kernel, { folder });
    const files = (await readdir(folder)).map((name) => join(folder, name)).sort();
    expect(files).toEqual([used.file, made.file].sort());
  });

  test('that cannot be written to is said so, and no obstacle', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const made = await prepareCached(kernel, { folder: join(file, 'cache') });
    expect(made).toMatchObject({ cache: 'unkept', reason: 'part of the path is not a folder' });
    expect(made.bytes).toEqual((await prepare(kernel)).bytes);
  });

  test('does not keep what cannot be prepared', async () => {
    await expect(prepareCached(new Uint8Array(8), { folder })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_WASM_MALFORMED',
    });
    expect(await readdir(folder)).toEqual([]);
  });
});
