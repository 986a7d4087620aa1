// Patches from two builds: builds and targets that do not fit, damaged ones, and the same bytes from the same input.

import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { WgraftError } from '../../../src/errors.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { linkedProgram } from '../../support/linked-program.ts';
import { type Builds, compileDiff, everySlot, macros, patchOf, refusal } from '../../support/two-builds.ts';

describe('what is refused', () => {
  let builds: Builds;

  beforeAll(async () => {
    builds = await compileDiff(`${macros}
      static int total;
      EXPORT(add) int add(int n) {
-       return total += n;
+       static int times = 3; return total += n * times;
      }
    `);
  });

  const start = 'WGRAFT_ERR_SYMBOLS_UNSUITABLE (exit 4): the symbols do not fit the target: ';

  test('another target', async () => {
    const other = await prepare(builds.new, everySlot.prepare);
    const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    expect(await refusal(builds, { target: other.bytes })).toBe(
      `${start}the target was prepared from ${hash(builds.new)}, the old build is ${hash(builds.old)}`,
    );
    expect(await refusal(builds, { target: builds.old })).toBe(
      'WGRAFT_ERR_NOT_PREPARED (exit 4): the target is not a prepared module',
    );
  });

  test('builds whose relocations are missing, or are not those of their code', async () => {
    const plain = await linkedProgram('stripped');
    expect(await refusal({ ...builds, new: plain }, everySlot)).toBe(
      `${start}the new build was not linked with --emit-relocs (it has no linking section)`,
    );
    const { default: binaryen } = await import('binaryen');
    const module = binaryen.readBinary(builds.new);
    module.optimize();
    const rewritten = module.emitBinary();
    module.dispose();
    expect(await refusal({ ...builds, new: rewritten }, everySlot)).toMatch(
      /^WGRAFT_ERR_SYMBOLS_UNSUITABLE \(exit 4\): .*(not linked with --emit-relocs|a tool such as wasm-opt rewrote it)/,
    );
    const moved = stale(builds.new);
    expect(await refusal({ ...builds, new: moved }, everySlot)).toMatch(
      /^WGRAFT_ERR_SYMBOLS_UNSUITABLE \(exit 4\): .*the relocations of the new build do not belong to its code/,
    );
  });

  test.each([
    ['threads', 'it is a side module, or was linked for threads (--shared-memory)'],
    ['shared', 'it is a side module, or was linked for threads (--shared-memory)'],
    [
      'memory64',
      'the old build has a memory with 64-bit addresses, which patches from builds do not support',
    ],
  ] as const)('%s', async (variant, reason) => {
    const program = await linkedProgram(variant);
    expect(await refusal({ old: program, new: program }, everySlot)).toContain(reason);
  });

  test('a name that no patch can have', async () => {
    expect(await refusal(builds, { ...everySlot, name: 'two words' })).toBe(
      'WGRAFT_ERR_OPTION_INVALID (exit 2): invalid name: "two words" is not at most 64 of A-Z a-z 0-9 . _ -',
    );
  });

  test('the same input gives the same bytes', async () => {
    const [one, two] = [await patchOf(builds, everySlot), await patchOf(builds, everySlot)];
    expect(Buffer.compare(one.bytes, two.bytes)).toBe(0);
    const target = (await prepare(builds.old, everySlot.prepare)).bytes;
    expect(Buffer.compare((await patchOf(builds, { target })).bytes, one.bytes)).toBe(0);
  });

  test('truncated and damaged builds give a typed error, or a patch', async () => {
    const outcomes = new Set<string>();
    const tell = async (damaged: Uint8Array): Promise<void> => {
      const error: unknown = await patchOf({ ...builds, new: damaged }, everySlot).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error !== undefined && !WgraftError.is(error)) throw error;
      outcomes.add(error === undefined ? 'a patch' : error.code);
    };
    for (let end = 0; end < builds.new.length; end += Math.ceil(builds.new.length / 100))
      await tell(builds.new.subarray(0, end));
    let seed = 1;
    for (let k = 0; k < 400; k += 1) {
      const damaged = builds.new.slice();
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      damaged[seed % damaged.length] = (seed >>> 8) & 0xff;
      await tell(damaged);
    }
    expect(outcomes).toContain('a patch');
    expect(outcomes).toContain('WGRAFT_ERR_WASM_MALFORMED');
    expect(outcomes).toContain('WGRAFT_ERR_SYMBOLS_UNSUITABLE');
    expect(outcomes).not.toContain('WGRAFT_ERR_INTERNAL');
  });
});

/** The module with one instruction changed under a relocation, as a tool that rewrites code does. */
function stale(bytes: Uint8Array): Uint8Array {
  const moved = bytes.slice();
  // A padded address, 5 bytes with the last one 0: the linker's own form.
  for (let at = 8; at < moved.length - 5; at += 1) {
    const padded = [0, 1, 2, 3].every((i) => (moved[at + i] ?? 0) >= 0x80) && moved[at + 4] === 0;
    if (!padded) continue;
    moved[at] = (moved[at] ?? 0) ^ 4;
    return moved;
  }
  throw new Error('no relocated field');
}
