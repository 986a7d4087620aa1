// From a prepared module's custom sections back to the kernel's: byte for byte, in few bytes, with both engines.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  follow,
  originalSection,
  readOriginalSections,
  writeOriginalSections,
} from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { stepsBack } from '../../../src/prepare/original-sections.ts';
import { findCustom, readSections } from '../../../src/wasm/index.ts';
import { wat, withCustom } from '../../support/wat.ts';

const noBytes = new Uint8Array();

function payloads(bytes: Uint8Array, name: string): Uint8Array[] {
  return readSections(bytes)
    .filter((s) => s.id === 0 && s.name === name)
    .map((s) => bytes.slice(s.payload, s.end));
}

/** What the prepared module says of the kernel's sections of a name; undefined where it says nothing. */
function originals(prepared: Uint8Array, name: string): Uint8Array[] | undefined {
  const [payload = noBytes] = payloads(prepared, originalSection);
  const now = payloads(prepared, name);
  return readOriginalSections(payload)
    .get(name)
    ?.map((steps, i) => follow(steps, now[i] ?? noBytes));
}

const hook = '(import "env" "__cyg_profile_func_enter_bare" (func $__cyg_profile_func_enter_bare))';
const functions = (count: number, call: string): string =>
  Array.from({ length: count }, (_, i) => `(func $function_${i} (export "f${i}") ${call})`).join('\n');

describe('the original custom sections', () => {
  const forms = [
    ['splice', '', ''],
    ['splice', hook, '(call $__cyg_profile_func_enter_bare)'],
    ['binaryen', '', ''],
    ['binaryen', hook, '(call $__cyg_profile_func_enter_bare)'],
  ] as const;

  test.each(forms)('are found again: %s %s', async (engine, imports, call) => {
    const text = wat(`(module ${imports} ${functions(300, call)})`);
    const own = {
      build_id: Uint8Array.of(3, 1, 2, 3),
      sourceMappingURL: Uint8Array.of(1, 0x78),
      hello: Uint8Array.of(1),
    };
    const kernel = withCustom(text, own);
    const { bytes } = await prepare(kernel, { engine, slots: 'all' });
    for (const name of ['name', 'producers', 'build_id', 'sourceMappingURL'])
      expect([name, originals(bytes, name)]).toEqual([name, payloads(kernel, name)]);
    expect(originals(bytes, 'hello')).toBeUndefined();
    const names = payloads(kernel, 'name')[0]?.length ?? 0;
    const steps = payloads(bytes, originalSection)[0]?.length ?? names;
    // Functions that move take a few bytes each, additions at the end take none.
    expect(steps).toBeLessThan(call === '' ? 200 : names / 2);
  });

  test('a source map inside the module and debug information are not kept twice', async () => {
    const map = Buffer.from(JSON.stringify({ version: 3, sources: [], names: [], mappings: '' }));
    const url = Buffer.from(`data:application/json;base64,${map.toString('base64')}`);
    const kernel = withCustom(wat('(module (func (export "f") (nop)))'), {
      sourceMappingURL: Uint8Array.of(url.length, ...url),
      '.debug_info': Uint8Array.of(1, 2, 3),
      linking: Uint8Array.of(2),
    });
    const { bytes } = await prepare(kernel);
    for (const name of ['sourceMappingURL', '.debug_info', 'linking'])
      expect(originals(bytes, name)).toBeUndefined();
  });

  test('steps lead from any bytes to any others', () => {
    const bytes = fc.uint8Array({ max: 3, maxLength: 60 });
    fc.assert(
      fc.property(bytes, bytes, (from, to) => {
        expect(follow(stepsBack(from, to), from)).toEqual(to);
      }),
      { numRuns: 3000 },
    );
  });

  test('a section that says something else is refused, at every cut', async () => {
    const kernel = withCustom(wat('(module (func $f (export "f") (nop)))'), {
      build_id: Uint8Array.of(1, 7),
    });
    const { bytes } = await prepare(kernel);
    const section = findCustom(readSections(bytes), originalSection);
    const payload = bytes.slice(section?.payload, section?.end);
    expect(writeOriginalSections(readOriginalSections(payload))).toEqual(payload);
    const malformed = expect.objectContaining({ code: 'WGRAFT_ERR_WASM_MALFORMED' });
    for (let length = 0; length < payload.length; length += 1)
      expect(() => readOriginalSections(payload.subarray(0, length))).toThrow(malformed);
    expect(() => readOriginalSections(Uint8Array.of(2, 0))).toThrow(malformed);
    expect(() => readOriginalSections(Uint8Array.of(...payload, 0))).toThrow(malformed);
    expect(() => follow([{ skip: 0, keep: 0xffffffff, block: noBytes }], payload)).toThrow(malformed);
    expect(() => follow([{ skip: 9, keep: 0, block: noBytes }], noBytes)).toThrow(malformed);
  });
});
