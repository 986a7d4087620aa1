// Patches between releases that others made and published, both installed from npm under aliases. None was linked with
// relocations, none has names: what can be patched is matched by exports, code and calls, what cannot says so.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { diffBuilds } from '../../src/build/index.ts';
import { readFunctionNames, readSections } from '../../src/wasm/index.ts';
import {
  type Builds,
  contentsOf,
  everySlot,
  type Live,
  memoryOf,
  patchOf,
  refusal,
  run,
  runPlain,
} from '../support/two-builds.ts';

const file = (path: string): Promise<Uint8Array> =>
  readFile(fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url)));

const imports = {
  env: {
    abort: () => {
      throw new Error('aborted');
    },
  },
};

describe('AssemblyScript: @chainsafe/as-sha256 1.1.0 and 1.2.5', () => {
  const releases = async (path: string): Promise<Builds> => ({
    old: await file(`as-sha256-1.1/build/${path}`),
    new: await file(`as-sha256-1.2/build/${path}`),
  });

  test.each([['optimized.wasm'], ['untouched.wasm'], ['optimized.simd.wasm'], ['untouched.simd.wasm']])(
    '%s has no names; one function of it changed',
    async (path) => {
      const builds = await releases(path);
      expect(readFunctionNames(builds.old, readSections(builds.old)).size).toBe(0);
      const { changed, added, removed, refused } = await diffBuilds({ ...builds, ...everySlot });
      expect({ changed: changed.map((c) => c.name), added, removed, refused }).toEqual({
        changed: ['final'],
        added: [],
        removed: [],
        refused: [],
      });
      const patch = await patchOf(builds, everySlot);
      expect(contentsOf(patch)).toEqual({ replaced: ['final'], added: [] });
    },
  );

  // - messages of 0 to 200 bytes are hashed: 1.1.0 is wrong where 63 bytes are left over
  // - a message is half hashed when the patch comes, and is hashed to its end with it
  // - all are right; reverted, the same are wrong again
  test('the fix of the release arrives in the middle of a message', async () => {
    const builds = await releases('optimized.wasm');
    const patch = await patchOf(builds, everySlot);
    const live = await run(builds.old, everySlot, imports);
    expect(wrongLengths(live)).toEqual([63, 127, 191]);

    live.call('init');
    update(live, message(127).subarray(0, 70));
    await live.patcher.apply(patch.bytes);
    update(live, message(127).subarray(70));
    expect(digest(live)).toBe(expected(127));
    expect(wrongLengths(live)).toEqual([]);
    expect(wrongLengths(await runPlain(builds.new, imports))).toEqual([]);

    await live.patcher.revert(undefined);
    expect(wrongLengths(live)).toEqual([63, 127, 191]);
  });

  type Hasher = Pick<Live, 'call' | 'instance'>;

  const message = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => i * 7);
  const expected = (length: number): string => createHash('sha256').update(message(length)).digest('hex');

  function wrongLengths(hasher: Hasher): number[] {
    return Array.from({ length: 201 }, (_, length) => length).filter((length) => {
      hasher.call('init');
      update(hasher, message(length));
      return digest(hasher) !== expected(length);
    });
  }

  function update(hasher: Hasher, part: Uint8Array): void {
    memoryOf(hasher).set(part, address(hasher, 'input'));
    hasher.call('update', address(hasher, 'input'), part.length);
  }

  function digest(hasher: Hasher): string {
    const at = address(hasher, 'output');
    hasher.call('final', at);
    return Buffer.from(memoryOf(hasher).subarray(at, at + 32)).toString('hex');
  }

  function address({ instance }: Hasher, name: string): number {
    const global = instance.exports[name];
    return global instanceof WebAssembly.Global ? Number(global.value) : Number.NaN;
  }
});

describe('Rust: source-map 0.7.4 and 0.7.6', () => {
  test('another compiler placed its data otherwise: refused, with what would make a patch possible', async () => {
    const builds = {
      old: await file('source-map-0.7.4/lib/mappings.wasm'),
      new: await file('source-map-0.7.6/lib/mappings.wasm'),
    };
    expect(await refusal(builds, everySlot)).toMatchInlineSnapshot(
      `"WGRAFT_ERR_ADDRESS_UNKNOWN (exit 4): the builds have no relocations, and the data at address 4 is another: it changed or moved"`,
    );
    await expect(patchOf(builds, everySlot)).rejects.toMatchObject({
      hint: expect.stringContaining('Rust: -C link-arg=--emit-relocs'),
    });
  });

  test('the same release twice: nothing changed', async () => {
    const build = await file('source-map-0.7.6/lib/mappings.wasm');
    expect(await refusal({ old: build, new: build }, everySlot)).toMatchInlineSnapshot(
      `"WGRAFT_ERR_NOTHING_CHANGED (exit 3): the two builds do the same: no function and no data changed"`,
    );
  });
});
