// A function without a slot is replaced by one that calls its original: nothing may change, whatever the program and
// whatever its callers, which are copied into the patch, do.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { WgraftError } from '../../src/errors.ts';
import { instantiate, Patcher } from '../../src/index.ts';
import { findSlotMap } from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { observeProgram, type RandomProgram, randomProgram } from '../support/random-program.ts';
import { wat } from '../support/wat.ts';
import { wrapped } from '../support/wrapper.ts';

async function staysTheSame(program: RandomProgram, pick: number): Promise<void> {
  const { bytes } = await prepare(wat(program.text), { slots: 'entry' });
  const slotless = findSlotMap(bytes)?.functions.filter((f) => f.slot === undefined) ?? [];
  const chosen = slotless[pick % slotless.length];
  fc.pre(chosen !== undefined);
  const replacements = chosen === undefined ? [] : [wrapped(chosen)];
  const patch = await buildPatch({ target: bytes, replacements, name: 'wrapper' }).catch((error: unknown) => {
    // Random programs have functions that nothing calls.
    if (WgraftError.is(error, 'WGRAFT_ERR_SLOT_MISSING')) return undefined;
    throw error;
  });
  fc.pre(patch !== undefined);
  const patcher = new Patcher();
  const plain = await instantiate(bytes, {}, { patcher: new Patcher() });
  const patched = await instantiate(bytes, {}, { patcher });
  await patcher.apply(patch?.bytes ?? new Uint8Array());
  const expected = observeProgram({ ...plain.instance.exports }, program);
  expect(observeProgram({ ...patched.instance.exports }, program)).toEqual(expected);
}

test('a wrapper around the original changes nothing', async () => {
  await fc.assert(fc.asyncProperty(randomProgram(2), fc.nat(), staysTheSame), { numRuns: 60 });
});
