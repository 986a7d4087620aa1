// Slots in the program's own table: functions without a guard, which a patch gets to by writing the table and by bringing
// along who calls them directly.

import { describe, expect, test } from 'vitest';
import { buildPatch, buildPatchFromBuilds } from '../../../src/build/index.ts';
import { instantiate, Patcher } from '../../../src/index.ts';
import {
  findSlotMap,
  type SlotMap,
  type SlotMapFunction,
  slotsSection,
  writeSlotMap,
} from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { readSections, Writer } from '../../../src/wasm/index.ts';
import { pausing, type Story, smooth, story } from '../../support/story.ts';
import { largeProgram, methods } from '../../support/table-program.ts';
import { wat } from '../../support/wat.ts';

const idle = { env: { pause() {} } };

const hundredfold = `(module
  (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 100))))`;

function withSlotMap(prepared: Uint8Array, map: SlotMap): Uint8Array<ArrayBuffer> {
  const out = new Writer(prepared.length + 256).raw(prepared.subarray(0, 8));
  for (const { name, start, end } of readSections(prepared))
    if (name === slotsSection) out.custom(name, writeSlotMap(map));
    else out.raw(prepared.subarray(start, end));
  return out.toBytes();
}

/** All ways to double: the table's two entries, a direct call, and one by way of inner; and triple, which nobody changes. */
function see({ exports: x }: { readonly exports: Story['exports'] }): number[] {
  return [...[1, 3, 2].map((method) => x['dispatch'](method, 10)), x['direct'](10), x['deep'](10)];
}

const old = [20, 20, 30, 20, 21];
const patched = [1000, 1000, 30, 1000, 1001];

test('the slot map says where they stand', async () => {
  const { prepared } = await story(methods, idle, { slots: 'auto' });
  const functions = findSlotMap(prepared)?.functions.slice(0, 7) ?? [];
  expect(functions.map((f) => [f.name, f.slot ?? f.reason, ...f.tableEntries])).toEqual([
    ['double', 3, 1, 3],
    ['triple', 4, 2],
    ['wait', 5, 4],
    ['inner', 'small'],
    ['dispatch', 0],
    ['direct', 1],
    ['deep', 2],
  ]);
});

test('with attention all slots are guards: the host comes to a thread there', async () => {
  const { report } = await prepare(wat(methods), { attention: true });
  expect([report.slots, report.tableSlots]).toEqual([6, 0]);
});

test.each(['auto', 'entry'] as const)('patched and reverted, slots: %s', async (slots) => {
  const s = await story(methods, idle, { slots });
  expect(see(s)).toEqual(old);
  s.log();
  await s.patcher.apply(await s.patch('fix', 'double', hundredfold));
  expect(see(s)).toEqual(patched);
  expect(s.log()).toEqual(smooth('apply', 'fix', 1));
  const later = await s.another();
  expect(see(later)).toEqual(patched);
  s.log();
  await s.patcher.revert('fix');
  expect([see(s), see(later)]).toEqual([old, old]);
  expect(s.log()).toEqual(smooth('revert', 'fix', 2, [1, 2]));
});

test('from two builds, nobody having said that double has two entries and callers', async () => {
  const s = await story(methods, idle, { slots: 'auto' });
  const next = methods.replace('(i32.const 2)', '(i32.const 100)');
  const { bytes, manifest, report } = await buildPatchFromBuilds({
    target: s.prepared,
    old: wat(methods),
    new: wat(next),
    name: 'fix',
  });
  expect(manifest.replaces.map(({ name, unchanged = false }) => [name, unchanged])).toEqual([
    ['double', false],
    ['direct', true],
    ['deep', true],
  ]);
  expect(report.notes).toEqual([
    '"inner", "direct" come along because they call "double", which has no guard',
    '"deep" comes along because it calls "inner", which has no guard',
    'no debug information: struct layouts were not compared; build both with -g',
  ]);
  await s.patcher.apply(bytes);
  expect(see(s)).toEqual(patched);
  await s.patcher.revert('fix');
  expect(see(s)).toEqual(old);
});

// - somebody wrote another slot map into the module, with entries or slots that are not there, and left its build id
// - the patch is refused before anything is written
describe('a slot map that promises what is not there is refused in time', () => {
  const far = (f: SlotMapFunction): SlotMapFunction =>
    f.name === 'double' ? { ...f, tableEntries: [1, 3, 5] } : f;
  /** The last guard is of one function more. */
  const more = (f: SlotMapFunction): SlotMapFunction => {
    if (f.name === 'filler39') return { ...f, slot: 3, reason: undefined };
    return f.slot === undefined || f.slot < 3 ? f : { ...f, slot: f.slot + 1 };
  };

  /** All are behind the last function. */
  const nowhere = (f: SlotMapFunction): SlotMapFunction => ({ ...f, index: f.index + 1000 });

  test.each([
    ['functions', '#1001', nowhere, 'it has no function 1047, which its slot map names'],
    ['entries', 'double', far, 'its table has 5 entries, and its slot map names entry 5'],
    ['slots', 'double', more, 'it has no slot 3, which its slot map names'],
  ])('%s', async (_, name, altered, reason) => {
    const { bytes: prepared } = await prepare(wat(methods), { slots: 'auto' });
    const map = findSlotMap(prepared);
    if (map === undefined) throw new Error('no slot map');
    const patcher = new Patcher();
    const module = withSlotMap(prepared, { ...map, functions: map.functions.map(altered) });
    const source = { kind: 'wat', text: hundredfold, file: 'fix.wat' } as const;
    const replacements = [{ function: name, source }];
    const { bytes: fix } = await buildPatch({ target: module, replacements, name: 'fix' });
    const { instance } = await instantiate(module, idle, { name: 'app', patcher });
    await expect(patcher.apply(fix)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_STAGE_FAILED',
      details: { patch: 'fix', reason },
    });
    expect(see(instance)).toEqual(old);
    expect((await patcher.status()).programs[0]?.patches).toEqual([]);
  });
});

// - wait has called the host, and the patch that replaces it is applied there
// - it is on the stack: the instance does not switch
// - when it has returned, it does
test('a function that is active is waited for', async () => {
  const pause = pausing();
  const s = await story(methods, pause.imports, { slots: 'auto' });
  const patch = await s.patch(
    'quick',
    'wait',
    '(module (func (export "wait") (param i32) (result i32) (i32.const 7)))',
  );
  s.log();
  pause.act = () => {
    s.patcher.beginApply(patch);
    s.pump();
    expect(s.states()).toEqual([0]);
    expect(s.exports['dispatch'](1, 10)).toBe(20);
  };
  expect(s.exports['dispatch'](4, 5)).toBe(5);
  pause.act = () => {};
  s.pump();
  expect(s.exports['dispatch'](4, 5)).toBe(7);
  expect(s.log()).toEqual(smooth('apply', 'quick', 1));
});

test('a replacement calls the original, and its address is that of the program', async () => {
  const s = await story(methods, idle, { slots: 'auto' });
  const patch = await s.patch(
    'more',
    'double',
    `(module
      (import "original" "double" (func $original (param i32) (result i32)))
      (import "GOT.func" "double" (global $address (mut i32)))
      (func (export "double") (param i32) (result i32)
        (i32.add (call $original (local.get 0)) (i32.mul (global.get $address) (i32.const 1000)))))`,
  );
  await s.patcher.apply(patch);
  expect(see(s)).toEqual([1020, 1020, 30, 1020, 1021]);
});

describe('two patches', () => {
  const triple = (text: string): string => `(module
    (import "target" "double" (func $double (param i32) (result i32)))
    (func (export "triple") (param i32) (result i32) ${text}))`;
  const callsDouble = triple('(i32.add (local.get 0) (call $double (local.get 0)))');

  test('of different functions stand beside each other', async () => {
    const s = await story(methods, idle, { slots: 'auto' });
    await s.patcher.apply(await s.patch('fix', 'double', hundredfold));
    await s.patcher.apply(await s.patch('seven', 'triple', triple('(i32.const 7)')));
    expect(see(s)).toEqual([1000, 1000, 7, 1000, 1001]);
    await s.patcher.revert('seven');
    await s.patcher.revert('fix');
    expect(see(s)).toEqual(old);
  });

  test('one that calls what the other replaces would not come by the table', async () => {
    const s = await story(methods, idle, { slots: 'auto' });
    const fix = await s.patch('fix', 'double', hundredfold);
    const caller = await s.patch('caller', 'triple', callsDouble);
    await s.patcher.apply(fix);
    await expect(s.patcher.apply(caller)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_ORIGINAL_PATCHED',
      message: `patch "caller" calls double directly, which "fix" replaces in the program's table: that would be switched off`,
    });
    await s.patcher.revert('fix');
    await s.patcher.apply(caller);
    await expect(s.patcher.apply(fix)).rejects.toMatchObject({
      message: `patch "fix" replaces double in the program's table, which "caller" calls directly: that would be switched off`,
    });
    expect(see(s)).toEqual(old);
  });

  test('one of both is no problem, and takes their place', async () => {
    const s = await story(methods, idle, { slots: 'auto' });
    await s.patcher.apply(await s.patch('fix', 'double', hundredfold));
    const both = `${callsDouble.slice(0, -1)}
      (func (export "double") (param i32) (result i32) (i32.const 4)))`.replace(
      '(import "target" "double" (func $double (param i32) (result i32)))',
      '',
    );
    const text = both.replace('(func (export "double")', '(func $double (export "double")');
    await s.patcher.apply(await s.patch('both', ['double', 'triple'], text, { cumulative: true }));
    expect(see(s)).toEqual([4, 4, 14, 4, 5]);
    await s.patcher.revert('both');
    expect(see(s)).toEqual(old);
  });
});

test('a method of objects, whose callers use a constant object and a table', async () => {
  const text = largeProgram(`
    (rec
      (type $shape (sub (struct (field $size i32))))
      (type $area (func (param (ref $shape)) (result i32))))
    (table $areas 2 funcref)
    (elem (i32.const 0) $square $none)
    (global $unit (ref $shape) (struct.new $shape (i32.const 5)))
    (func $square (type $area)
      (i32.mul (struct.get $shape $size (local.get 0)) (struct.get $shape $size (local.get 0))))
    (func $none (type $area) (i32.const 0))
    (func (export "unit") (result i32) (call $square (global.get $unit)))
    (func (export "area") (param i32) (result i32)
      (call_indirect (type $area) (global.get $unit) (local.get 0)))`);
  const s = await story(text, {}, { slots: 'auto' });
  const areas = (): number[] => [s.exports['unit'](), s.exports['area'](0), s.exports['area'](1)];
  expect(areas()).toEqual([25, 25, 0]);
  const patch = await s.patch(
    'circle',
    'square',
    `(module
      (rec
        (type $shape (sub (struct (field $size i32))))
        (type $area (func (param (ref $shape)) (result i32))))
      (func (export "square") (type $area) (i32.mul (struct.get $shape $size (local.get 0)) (i32.const 3))))`,
  );
  await s.patcher.apply(patch);
  expect(areas()).toEqual([15, 15, 0]);
  await s.patcher.revert('circle');
  expect(areas()).toEqual([25, 25, 0]);
});
