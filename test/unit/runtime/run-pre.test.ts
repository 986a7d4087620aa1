// Run-pre matching: a patch is for the very code that it was built from. One byte in one function that it replaces, calls or
// takes the address of refuses it, by name, before anything is written.

import { expect, test } from 'vitest';
import { instantiate } from '../../../src/host/index.ts';
import { findSlotMap, readPatch } from '../../../src/patch/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { type Story, story } from '../../support/story.ts';

const values = { answer: 1, helper: 2, pointed: 3, malloc: 4096, other: 5 };
type Name = keyof typeof values;

const program = (changed: Partial<Record<Name, number>> = {}): string => {
  const v = { ...values, ...changed };
  return `(module
    (memory (export "memory") 1) (table (export "table") 4 funcref)
    (func $answer (export "answer") (result i32) (i32.const ${v.answer}))
    (func $helper (result i32) (i32.const ${v.helper}))
    (func $pointed (result i32) (i32.const ${v.pointed}))
    (func $malloc (export "malloc") (param i32) (result i32) (i32.const ${v.malloc}))
    (func $other (export "other") (result i32)
      (i32.add (i32.const ${v.other}) (i32.add (call $helper) (call $pointed)))))`;
};

/** Replaces "answer", calls "helper", points to "pointed", and has data, which "malloc" finds a place for. */
const fix = (app: Story): Promise<Uint8Array> =>
  app.patch(
    'fix',
    'answer',
    `(module
      (import "target" "memory" (memory 1)) (import "target" "table" (table 1 funcref))
      (import "patch" "memory_base" (global $base i32))
      (import "target" "helper" (func $helper (result i32)))
      (import "GOT.func" "pointed" (global $pointed (mut i32)))
      (data (global.get $base) "\\64")
      (func (export "answer") (result i32)
        (i32.add (i32.load8_u (global.get $base))
          (i32.add (call $helper) (call_indirect (result i32) (global.get $pointed))))))`,
  );

test('the manifest has the body of each function that the patch replaces or uses', async () => {
  const { manifest } = readPatch(await fix(await story(program())));
  const used = manifest.imports.filter((i) => i.from === 'func' || i.from === 'function-address');
  const all = [...manifest.replaces, ...used, manifest.memory?.allocator].map((f) =>
    f !== undefined && 'hash' in f && 'name' in f ? `${f.name} ${/^[0-9a-f]{64}$/.test(f.hash ?? '')}` : f,
  );
  expect(all.sort()).toEqual(['&pointed true', 'answer true', 'helper true', 'malloc true']);
});

test.each<[Name, boolean]>([
  ['answer', true],
  ['helper', true],
  ['pointed', true],
  ['malloc', true],
  ['other', false],
])(
  'a program in which only "%s" is another: refused, by name where the patch has to do with it',
  async (name, isNamed) => {
    const patch = await fix(await story(program()));
    const app = await story(program({ [name]: values[name] + 1 }));
    const look = (): unknown => [app.exports['answer'](), app.exports['other'](), [...memory(app)]];
    const before = look();
    app.log();
    const refused = {
      code: 'WGRAFT_ERR_BUILD_ID_MISMATCH',
      details: { functions: isNamed ? [name] : [] },
      message: expect.stringMatching(isNamed ? `, where "${name}" differs$` : /not for \w{12}$/),
    };
    await expect(app.patcher.verify(patch)).rejects.toMatchObject(refused);
    await expect(app.patcher.apply(patch)).rejects.toMatchObject(refused);
    expect(look()).toEqual(before);
    expect(app.log()).toEqual([]);
  },
);

test.each<Name>(['answer', 'helper', 'pointed', 'malloc'])(
  'a program that claims to be the same build, with one byte of the hash of "%s" changed',
  async (name) => {
    const app = await story(program());
    const patch = await fix(app);
    const forged = Buffer.from(app.prepared);
    const known = findSlotMap(forged)?.functions.find((f) => f.name === name);
    const at = forged.indexOf(known?.hash ?? '');
    forged[at] = (forged[at] ?? 0) ^ 1;
    const patcher = new Patcher();
    const { instance } = await instantiate(forged, {}, { patcher });
    await expect(patcher.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_MISMATCH',
      details: { function: name, what: 'body' },
    });
    expect(instance.exports['answer']).toSatisfy((f: unknown) => typeof f === 'function' && f() === 1);
  },
);

test('the same program takes it', async () => {
  const app = await story(program());
  const patch = await fix(app);
  await app.patcher.verify(patch);
  await app.patcher.apply(patch);
  expect(app.exports['answer']()).toBe(100 + 2 + 3);
});

function memory({ exports }: Story): Uint8Array {
  return new Uint8Array(exports['memory'].buffer, 4096, 16);
}
