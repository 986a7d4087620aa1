// A replacement by hand of a function without a slot: its callers come along as they are, and call the replacement.

import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import { type Story, story } from '../../support/story.ts';

/** Under the policy "entry" only exports and what the table holds have slots: not tax, net and rounded. */
const shop = `(module
  (import "env" "rate" (global $rate i32))
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $handlers 4 funcref)
  (elem (i32.const 1) $listed)
  (tag $refused (param i32))
  (global $sold (mut i32) (i32.const 0))
  (global $limit i32 (i32.const 100))
  (type $unary (func (param i32) (result i32)))
  (func $rounded (param i32) (result i32) (i32.and (local.get 0) (i32.const -2)))
  (func $tax (param i32) (result i32)
    (call $log (local.get 0))
    (call $rounded (i32.mul (local.get 0) (global.get $rate))))
  (func $net (param $x i32) (result i32) (local $all i32)
    (if (i32.gt_s (local.get $x) (global.get $limit)) (then (throw $refused (local.get $x))))
    (global.set $sold (i32.add (global.get $sold) (i32.const 1)))
    (local.set $all (call $tax (local.get $x)))
    (i32.store (i32.const 16) (local.get $all))
    (local.get $all))
  (func $listed (param i32) (result i32) (i32.add (i32.const 1000) (call $tax (local.get 0))))
  (func $price (export "price") (param i32) (result i32)
    (i32.add (call $net (local.get 0)) (call_indirect (type $unary) (i32.const 1) (i32.const 1))))
  (func $sum (export "sum") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 0))
      (else (i32.add (call $tax (local.get 0)) (call $sum (i32.sub (local.get 0) (i32.const 1)))))))
  (func (export "sold") (result i32) (global.get $sold)))`;

const flat = '(module (func $tax (param i32) (result i32) (i32.const 5)))';

function open(logged: number[] = []): Promise<Story> {
  return story(shop, { env: { rate: 3, log: (x: number) => logged.push(x) } }, { slots: 'entry' });
}

const prices = ({ exports: x }: Story): number[] => [x['price'](4), x['sum'](3), x['sold']()];

test('callers call the replacement, with and without slots of their own, until it is reverted', async () => {
  const s = await open();
  const before = prices(s);
  expect(before).toEqual([12 + 1002, 8 + 6 + 2, 1]);
  await s.patcher.apply(await s.patch('flat', 'tax', flat));
  expect(prices(s)).toEqual([5 + 1005, 15, 2]);
  expect(s.memory().getInt32(16, true)).toBe(5);
  expect(() => s.exports['price'](101)).toThrow(WebAssembly.Exception);
  await s.patcher.revert('flat');
  expect(prices(s)).toEqual([...before.slice(0, 2), 3]);
});

test('the report names what comes along, and why', async () => {
  const s = await open();
  const source = { kind: 'wat', text: flat, file: 'flat.wat' } as const;
  const { report, manifest } = await buildPatch({
    target: s.prepared,
    replacements: [{ function: 'tax', source }],
    name: 'flat',
  });
  expect(report.functions.map(({ name, file }) => `${name} of ${file}`)).toEqual([
    'listed of the program',
    'sum of the program',
    'price of the program',
  ]);
  expect(report.functions.every(({ copied }) => copied === true)).toBe(true);
  expect(manifest.replaces.map(({ name }) => name)).toEqual(['listed', 'sum', 'price']);
  expect(report.added.toSorted()).toEqual(['net', 'tax']);
  expect(report.notes).toEqual([
    '"net", "listed", "sum" come along because they call "tax", which has no guard',
    '"price" comes along because it calls "net", which has no guard',
  ]);
});

describe('what a replacement may name', () => {
  test('the original of a function without a slot is a copy of it', async () => {
    const logged: number[] = [];
    const s = await open(logged);
    const patch = await s.patch(
      'double',
      'tax',
      `(module
        (import "original" "tax" (func $original (param i32) (result i32)))
        (func $tax (param i32) (result i32) (i32.mul (i32.const 2) (call $original (local.get 0)))))`,
    );
    await s.patcher.apply(patch);
    expect(prices(s)).toEqual([24 + 1000 + 4, 16 + 12 + 4, 1]);
    expect(logged).toEqual([4, 1, 3, 2, 1]);
  });

  test('another replacement, by its name: with a slot or without, it is the new one', async () => {
    const s = await open();
    const patch = await s.patch(
      'three',
      ['tax', 'rounded', 'sum'],
      `(module
        (import "target" "net" (func $net (param i32) (result i32)))
        (func $rounded (param i32) (result i32) (i32.const 7))
        (func $tax (param i32) (result i32) (call $rounded (local.get 0)))
        (func $sum (export "sum") (param i32) (result i32) (call $net (local.get 0))))`,
    );
    await s.patcher.apply(patch);
    expect(prices(s)).toEqual([7 + 1007, 7, 2]);
  });

  test('its address is that of the patch: the program has none of it', async () => {
    const s = await open();
    const patch = await s.patch(
      'address',
      'tax',
      `(module
        (import "patch" "table_base" (global $base i32))
        (import "target" "#0" (table 0 funcref))
        (type $unary (func (param i32) (result i32)))
        (elem (global.get $base) $tax)
        (func $tax (param i32) (result i32)
          (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 9))
            (else (call_indirect (type $unary) (i32.const 0) (global.get $base))))))`,
    );
    await s.patcher.apply(patch);
    expect(prices(s)).toEqual([9 + 1009, 27, 1]);
  });
});

/** `read` is a caller of `size`, and copies that much of a segment; `late` puts functions in the table. */
const segments = (data: string, elements: string): string => `(module
  (memory (export "memory") 1)
  (table 4 funcref)
  ${data}
  ${elements}
  (func $size (result i32) (i32.const 5))
  (func $seven (result i32) (i32.const 7))
  (func (export "read") (memory.init $text (i32.const 0) (i32.const 0) (call $size)))
  (func (export "late") (result i32)
    (table.init $later (i32.const 1) (i32.const 0) (i32.sub (call $size) (i32.const 4)))
    (call_indirect (result i32) (i32.const 1))))`;

test('a caller that uses passive segments has copies of them', async () => {
  const s = await story(
    segments('(data $text "hello")', '(elem $later func $seven)'),
    {},
    { slots: 'entry' },
  );
  s.exports['read']();
  expect([s.memory().getInt8(4), s.exports['late']()]).toEqual(['o'.charCodeAt(0), 7]);
  s.memory().setInt32(0, 0);
  s.memory().setInt8(4, 0);
  await s.patcher.apply(await s.patch('size', 'size', '(module (func $size (result i32) (i32.const 4)))'));
  s.exports['read']();
  expect([s.memory().getInt8(3), s.memory().getInt8(4)]).toEqual(['l'.charCodeAt(0), 0]);
  // Nothing is copied now, and what stands in the table is what was put there before.
  expect(s.exports['late']()).toBe(7);
});

test.each([
  ['data', segments('(data $text (i32.const 9) "hello")', '(elem $later func $seven)')],
  ['element', segments('(data $text "hello")', '(elem $later (i32.const 0) func $seven)')],
])('of an active %s segment nothing is left that a caller could have a copy of', async (what, text) => {
  const s = await story(text, {}, { slots: 'entry' });
  await expect(
    s.patch('size', 'size', '(module (func $size (result i32) (i32.const 1)))'),
  ).rejects.toMatchObject({
    code: 'WGRAFT_ERR_SOURCE_UNSUPPORTED',
    message: `the program cannot become a patch: "${what === 'data' ? 'read' : 'late'}", which has to come along, uses ${what} segment 0 of the program`,
  });
});

test('one that nothing calls is refused', async () => {
  const s = await story('(module (func $lost) (func (export "run")))', {}, { slots: 'entry' });
  await expect(s.patch('lost', 'lost', '(module (func $lost))')).rejects.toMatchObject({
    code: 'WGRAFT_ERR_SLOT_MISSING',
    message: '"lost" has no slot: no function that the program can get to calls it',
  });
});

describe('a patch on the same function as another that brings it along', () => {
  const price = '(module (func (export "price") (param i32) (result i32) (i32.const 1)))';

  test('is refused on top of it, and the other on top of the patch: either would be switched off', async () => {
    const s = await open();
    const patches = {
      flat: await s.patch('flat', 'tax', flat),
      price: await s.patch('price', 'price', price),
    };
    await s.patcher.apply(patches.flat);
    await expect(s.patcher.apply(patches.price)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_ORIGINAL_PATCHED',
      message:
        'patch "price" replaces price, which "flat" brings along for what it changes elsewhere: that would be switched off',
    });
    await s.patcher.revert('flat');
    await s.patcher.apply(patches.price);
    await expect(s.patcher.apply(patches.flat)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_ORIGINAL_PATCHED',
      message:
        'patch "flat" brings functions along as the program was built (price), which "price" replaces: that would be switched off',
    });
    expect(prices(s)).toEqual([1, 16, 0]);
  });

  test('one patch of both does both', async () => {
    const s = await open();
    const both = `(module
      (func $tax (param i32) (result i32) (i32.const 5))
      (func $price (export "price") (param i32) (result i32) (i32.const 1)))`;
    await s.patcher.apply(await s.patch('both', ['tax', 'price'], both));
    expect(prices(s)).toEqual([1, 15, 0]);
  });
});
