// A random C program, random edits: with the patch on, the running program does what the new build does; with it off again,
// what the old build does with the state that is there; and the patch replaces the edited functions and no others.

import { beforeAll, describe, expect, test } from 'vitest';
import { compileC } from '../support/compile-c.ts';
import { type Edited, edit, mayChange, random, randomC, showC } from '../support/random-c.ts';
import {
  type Call,
  contentsOf,
  everySlot,
  library,
  memoryOf,
  patchOf,
  run,
  runPlain,
} from '../support/two-builds.ts';

const program = randomC(random(1), 40);
const exported = program.functions.filter((f) => f.exported).map((f) => f.name);
const edits: readonly (Edited & { readonly exact: boolean })[] = [
  { ...edit(random(2), program, 3, true), exact: true },
  { ...edit(random(3), program, 12, true), exact: true },
  { ...edit(random(4), program, 6, false), exact: false },
  { ...edit(random(5), program, 20, false), exact: false },
];

const compile = (text: string): Promise<Uint8Array> => compileC(text, { flags: library });
let old: Uint8Array;

beforeAll(async () => {
  old = await compile(showC(program));
});

/** Every function, with inputs that the seed tells. */
function observe(call: Call, seed: number): unknown[] {
  const below = random(seed);
  const inputs = Array.from({ length: 12 }, () => [below(2 ** 32) | 0, below(16)] as const);
  return exported.map((name) => [name, ...inputs.map(([a, b]) => call(name, a, b))]);
}

describe.each(edits)('$edited.length edits', ({ program: next, edited, exact }) => {
  test.each(['all', 'auto', 'entry'] as const)('slots: %s', async (slots) => {
    // The edits put new variables where constants were; nothing that these programs keep was made with those.
    const choices = { prepare: { slots }, allowNewState: 'all' } as const;
    const builds = { old, new: await compile(showC(next)) };
    const patch = await patchOf(builds, choices);

    const live = await run(old, choices);
    await live.patcher.apply(patch.bytes);
    const fresh = await runPlain(builds.new);
    for (const seed of [10, 11, 12]) expect(observe(live.call, seed)).toEqual(observe(fresh.call, seed));

    await live.patcher.revert(undefined);
    const reference = await runPlain(old);
    const bytes = memoryOf(reference);
    bytes.set(memoryOf(live).subarray(0, bytes.length));
    for (const seed of [13, 14]) expect(observe(live.call, seed)).toEqual(observe(reference.call, seed));
  });

  test('the patch replaces what was edited', async () => {
    const builds = { old, new: await compile(showC(next)) };
    const { replaced } = contentsOf(await patchOf(builds, { ...everySlot, allowNewState: 'all' }));
    if (exact) {
      expect(replaced).toEqual(edited.toSorted());
      return;
    }
    const weak = edited.filter((name) => exported.includes(name));
    expect(replaced).toEqual(expect.arrayContaining(weak));
    const may = mayChange(program, next, edited);
    expect(replaced.filter((name) => !may.has(name))).toEqual([]);
  });
});
