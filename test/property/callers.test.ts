// A function is replaced by hand: whatever the program is, it then does what it would have done with the replacement in its text, and
// nothing else, where that calls its original. What is copied into the patch for that, callers and originals, goes on as it was.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildPatch, type ReplacementSource } from '../../src/build/index.ts';
import { WgraftError } from '../../src/errors.ts';
import { instantiate, Patcher } from '../../src/index.ts';
import { findSlotMap, hasGuard, type SlotMapFunction, type SlotPolicy } from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { constantly, observeProgram, type RandomProgram, randomProgram } from '../support/random-program.ts';
import { fillers } from '../support/table-program.ts';
import { wat } from '../support/wat.ts';
import { wrapped } from '../support/wrapper.ts';

interface Case {
  readonly program: RandomProgram;
  readonly slots: SlotPolicy;
  readonly pick: number;
}

const small = fc.record<Case>({
  program: randomProgram(2),
  slots: fc.constantFrom('all', 'entry'),
  pick: fc.nat(),
});
const large = fc.record<Case>({
  program: randomProgram(4, fillers),
  slots: fc.constantFrom('auto', 'entry'),
  pick: fc.nat(),
});

type Expected = (program: RandomProgram, f: SlotMapFunction) => string;

async function behaves(
  { program, slots, pick }: Case,
  replacement: (f: SlotMapFunction) => ReplacementSource,
  as: Expected,
): Promise<void> {
  const { bytes } = await prepare(wat(program.text), { slots });
  const own = findSlotMap(bytes)?.functions.slice(0, program.functions) ?? [];
  const candidates = slots === 'all' ? own : own.filter((f) => !hasGuard(f));
  const chosen = candidates[pick % candidates.length];
  if (chosen === undefined) return fc.pre(false);
  const options = { target: bytes, replacements: [replacement(chosen)], name: 'patch' };
  const patch = await buildPatch(options).catch((error: unknown) => {
    // Random programs have functions that nothing calls.
    if (WgraftError.is(error, 'WGRAFT_ERR_SLOT_MISSING')) return undefined;
    throw error;
  });
  if (patch === undefined) return fc.pre(false);
  const patcher = new Patcher();
  const patched = await instantiate(bytes, {}, { patcher });
  await patcher.apply(patch.bytes);
  const expected = await WebAssembly.instantiate(wat(as(program, chosen)));
  const see = ({ instance }: { instance: WebAssembly.Instance }): unknown =>
    observeProgram({ ...instance.exports }, program);
  expect(see(patched)).toEqual(see(expected));
}

test('a wrapper around the original changes nothing', async () => {
  const property = fc.asyncProperty(fc.oneof(small, large), (given) =>
    behaves(given, wrapped, ({ text }) => text),
  );
  await fc.assert(property, { numRuns: 80 });
});

test('a replacement does what it does in a program that was built with it', async () => {
  const replacement = ({ index }: SlotMapFunction): ReplacementSource => {
    const text = `(module ${constantly(index, `(export "#${index}")`)})`;
    return { function: `#${index}`, source: { kind: 'wat', text, file: 'constant.wat' } };
  };
  const property = fc.asyncProperty(fc.oneof(small, large), (given) =>
    behaves(given, replacement, (program, { index }) => program.without(index)),
  );
  await fc.assert(property, { numRuns: 80 });
});
