// Patches for large modules without relocations. What would take a time that grows with the square of the size does not end
// before the tests' own time limit: so nothing here looks at a clock.

import { expect, test } from 'vitest';
import { diffBuilds } from '../../../src/build/index.ts';
import { op, type Writer } from '../../../src/wasm/index.ts';
import { body, generateModule } from '../../support/generated-module.ts';
import { everySlot, lookThrice } from '../../support/two-builds.ts';

const answer =
  (constant: number) =>
  (out: Writer): unknown =>
    out.u8(op.localGet).u32(0).u8(op.i32Const).s32(constant).u8(op.i32Add);
const calling =
  (index: number) =>
  (out: Writer): unknown =>
    out.u8(op.localGet).u32(0).u8(op.call).u32(index);

/** Functions that are all the same but for whom they call, each the next one; the last one answers. */
const chain = (length: number, first: number, constant: number): Uint8Array[] =>
  Array.from({ length }, (_, i) => body(i < length - 1 ? calling(first + i + 1) : answer(constant)));

test('4 000 functions of the same code, all of which have moved: one has changed, one is new', async () => {
  const builds = {
    old: generateModule({ bodies: chain(4000, 0, 1), run: 0 }),
    new: generateModule({ bodies: [body(answer(3)), ...chain(4000, 1, 2)], run: 1 }),
  };
  const { changed, added, removed, refused } = await diffBuilds({ ...builds, ...everySlot });
  expect({ changed, added, removed, refused }).toEqual({
    changed: [
      {
        name: '#4000',
        index: { old: 3999, new: 4000 },
        how: 'body',
        first: { old: 'i32.const 1', new: 'i32.const 2' },
        hasSlot: true,
      },
    ],
    added: ['#0'],
    removed: [],
    refused: [],
  });
  expect(await lookThrice(builds, (call) => call('run', 40))).toEqual([41, 42, 41]);
});

test('a function that is known by nothing but what it calls, 4 000 calls down', async () => {
  // Nobody calls the chain's first function; the one that all calls lead to is told by its code.
  const build = (constant: number): Uint8Array =>
    generateModule({ bodies: [...chain(4000, 0, 7), body(answer(constant))], run: 4000 });
  const { changed, added, removed, refused } = await diffBuilds({
    old: build(1),
    new: build(2),
    ...everySlot,
  });
  const names = changed.map(({ name }) => name);
  expect({ names, added, removed, refused }).toEqual({
    names: ['run'],
    added: [],
    removed: [],
    refused: [],
  });
});

test('40 000 data segments, of which one moves or changes', async () => {
  const segments = Array.from({ length: 40_000 }, (_, i): [number, Uint8Array] => [
    1024 + 16 * i,
    new Uint8Array([1 + (i % 200), 2, 3, 4]),
  ]);
  const build = (data: readonly (readonly [number, Uint8Array])[], constant: number): Uint8Array =>
    generateModule({ bodies: [body(answer(constant))], run: 0, data: new Map(data) });
  const old = build(segments, 1);
  const outcome = async (data: readonly (readonly [number, Uint8Array])[]): Promise<unknown> => {
    const { changed } = await diffBuilds({ old, new: build(data, 2), ...everySlot });
    return changed.map(({ name }) => name);
  };
  const [first, last] = [segments.slice(0, -1), segments.slice(-1)];
  expect(await outcome(segments)).toEqual(['run']);
  expect(await outcome([...last, ...first])).toEqual(['run']);
  await expect(outcome([...first, [1024, new Uint8Array([9])]])).rejects.toThrow(
    'the data at address 1024 is another',
  );
  await expect(outcome([...first, ...last.map(([at, bytes]) => [at + 4, bytes] as const)])).rejects.toThrow(
    'the data at address 641008 is another',
  );
});
