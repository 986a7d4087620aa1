// Random programs behave the same prepared as unprepared; damaged modules give typed errors or valid prepared modules.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WgraftError } from '../../src/errors.ts';
import { slotPolicies } from '../../src/patch/index.ts';
import { type PrepareOptions, prepare } from '../../src/prepare/index.ts';
import { kernels } from '../support/kernels.ts';
import { observeProgram, type RandomProgram, randomProgram } from '../support/random-program.ts';
import { slotted } from '../support/slots.ts';
import { wat } from '../support/wat.ts';

async function sameBehaviour(program: RandomProgram, options: PrepareOptions): Promise<void> {
  const bytes = wat(program.text);
  const { instance } = await WebAssembly.instantiate(bytes);
  const expected = observeProgram({ ...instance.exports }, program);
  const prepared = (await prepare(bytes, options)).bytes;
  const free = await slotted(prepared);
  expect(observeProgram(free.exports, program)).toEqual(expected);
  // With every slot taken by the original of a second instance, all happens in that one.
  const taken = await slotted(prepared);
  const other = await slotted(prepared);
  for (const f of taken.map.functions) {
    if (f.slot !== undefined) taken.redirect(f.index, other.take(f.index));
  }
  const x = {
    ...taken.exports,
    memory: other.exports['memory'],
    fuel: other.exports['fuel'],
    g: other.exports['g'],
  };
  expect(observeProgram(x, program)).toEqual(expected);
}

describe('random programs', () => {
  test.each(slotPolicies)('behave the same, by splice, slots: %s', async (slots) => {
    await fc.assert(
      fc.asyncProperty(randomProgram(2), (program) => sameBehaviour(program, { slots })),
      { numRuns: 60 },
    );
  });

  // A run of binaryen takes a second, so there are few of them, of many functions.
  test.each(slotPolicies)('behave the same, by binaryen, slots: %s', async (slots) => {
    await fc.assert(
      fc.asyncProperty(randomProgram(20), (program) => sameBehaviour(program, { slots, engine: 'binaryen' })),
      { numRuns: 2, endOnFailure: true },
    );
  });
});

describe('damaged modules', () => {
  const modules = kernels.filter((k) => k.text.length < 5000).map(({ text }) => wat(text));

  /** A typed error, or a module that the engine takes. */
  async function survives(bytes: Uint8Array<ArrayBuffer>): Promise<'refused' | 'prepared'> {
    try {
      const { bytes: prepared } = await prepare(bytes, { slots: 'all' });
      expect(WebAssembly.validate(prepared)).toBe(true);
      expect(WebAssembly.validate(bytes)).toBe(true);
      return 'prepared';
    } catch (error) {
      if (!WgraftError.is(error)) throw error;
      expect(error.code).toMatch(
        /^WGRAFT_ERR_(WASM_MALFORMED|WASM_INVALID|NAME_RESERVED|FENTRY_UNUSABLE|LIMIT_EXCEEDED)$/,
      );
      return 'refused';
    }
  }

  test('bytes flipped', async () => {
    const seen = new Set<string>();
    const flips = fc.array(fc.tuple(fc.nat(1_000_000), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...modules), flips, async (module, changes) => {
        const bytes = module.slice();
        for (const [at, bits] of changes) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
        seen.add(await survives(bytes));
      }),
      { numRuns: 1500 },
    );
    expect([...seen].sort()).toEqual(['prepared', 'refused']);
  });

  test('cut off at every byte', async () => {
    const [module] = modules;
    if (module === undefined) throw new Error('no module');
    for (let length = 0; length < module.length; length += 1) await survives(module.slice(0, length));
    expect(await survives(module)).toBe('prepared');
  });

  test('a damaged prepared module is refused', async () => {
    const { bytes } = await prepare(modules[0] ?? new Uint8Array());
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ bits;
        const error: unknown = await prepare(damaged).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(WgraftError.is(error)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
