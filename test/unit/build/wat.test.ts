// Replacements in WAT: what they may use of the program, what they may bring, and that the program runs them.

import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import { readPatch } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { story } from '../../support/story.ts';
import { wat } from '../../support/wat.ts';

const shop = `(module
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (table $handlers (export "handlers") 4 funcref)
  (global $total (mut i32) (i32.const 0))
  (global $limit i32 (i32.const 9))
  (elem (i32.const 1) $price)
  (type $unary (func (param i32) (result i32)))
  (func $price (export "price") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 10)))
  (func $sell (export "sell") (param i32) (result i32)
    (global.set $total (i32.add (global.get $total) (call $price (local.get 0))))
    (global.get $total))
  (func (export "call") (param $entry i32) (param i32) (result i32)
    (call_indirect (type $unary) (local.get 1) (local.get $entry))))`;

const log = { env: { log: () => {} } };

test('a replacement calls the program, uses its memory and globals, and carries text of its own', async () => {
  const logged: number[] = [];
  const s = await story(shop, { env: { log: (x: number) => logged.push(x) } });
  const { exports } = s;
  expect(exports['sell'](2)).toBe(20);
  const patch = await s.patch(
    'discount',
    'sell',
    `(module
      (import "target" "memory" (memory 1))
      (import "target" "total" (global $total (mut i32)))
      (import "target" "limit" (global $limit i32))
      (import "target" "price" (func $price (param i32) (result i32)))
      (import "env" "log" (func $log (param i32)))
      (import "patch" "memory_base" (global $base i32))
      (global $sold (mut i32) (i32.const 0))
      (data (global.get $base) "hello")
      (data (i32.add (global.get $base) (i32.const 100)) "world")
      (func $letter (param i32) (result i32) (i32.load8_u (i32.add (global.get $base) (local.get 0))))
      (func $sell (param i32) (result i32)
        (global.set $sold (i32.add (global.get $sold) (i32.const 1)))
        (call $log (call $letter (i32.const 4)))
        (call $log (call $letter (i32.const 50)))
        (call $log (call $letter (i32.const 100)))
        (call $log (global.get $limit))
        (call $log (global.get $sold))
        (global.set $total (i32.add (global.get $total) (call $price (i32.const 1))))
        (global.get $total)))`,
  );
  const { manifest } = readPatch(patch);
  expect(manifest.memory).toMatchObject({ sizeBytes: 105, alignBytes: 16, allocator: { kind: 'grow' } });

  await s.patcher.apply(patch);
  expect(exports['sell'](2)).toBe(30);
  expect(logged).toEqual(['o'.charCodeAt(0), 0, 'w'.charCodeAt(0), 9, 1]);
  expect(exports['memory'].buffer.byteLength).toBe(2 * 65536);

  await s.patcher.revert(undefined);
  expect(exports['sell'](2)).toBe(50);
});

test('a replacement calls the original of itself, and only that call goes past the slot', async () => {
  const s = await story(shop, log);
  const patch = await s.patch(
    'double',
    ['price', 'sell'],
    `(module
      (import "original" "price" (func $original (param i32) (result i32)))
      (import "original" "sell" (func $original_sell (param i32) (result i32)))
      (func $price (export "price") (param i32) (result i32) (i32.add (i32.const 1) (call $original (local.get 0))))
      (func $sell (export "sell") (param i32) (result i32) (call $original_sell (local.get 0))))`,
  );
  await s.patcher.apply(patch);
  // sell -> original sell -> the program's price, which the patch replaces -> original price
  expect([s.exports['price'](3), s.exports['sell'](3), s.exports['call'](1, 4)]).toEqual([31, 31, 41]);
});

test('calls between replaced functions go through the program, so that a later patch counts for them', async () => {
  const s = await story(shop, log);
  const both = await s.patch(
    'both',
    ['price', 'sell'],
    `(module
      (func $price (export "price") (param i32) (result i32) (i32.const 100))
      (func $sell (export "sell") (param i32) (result i32) (call $price (local.get 0))))`,
  );
  const later = await s.patch(
    'later',
    'price',
    '(module (func $price (export "price") (param i32) (result i32) (i32.const 7)))',
  );
  await s.patcher.apply(both);
  expect(s.exports['sell'](1)).toBe(100);
  await s.patcher.apply(later);
  expect(s.exports['sell'](1)).toBe(7);
  await s.patcher.revert('later');
  expect(s.exports['sell'](1)).toBe(100);
});

test('a recursive replacement calls itself; its address is the address of what it replaces', async () => {
  const s = await story(shop, log);
  const patch = await s.patch(
    'factorial',
    'price',
    `(module
      (import "target" "handlers" (table $handlers 0 funcref))
      (elem declare func $price)
      (func $price (export "price") (param i32) (result i32)
        (table.set $handlers (i32.const 2) (ref.func $price))
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
          (then (i32.const 1))
          (else (i32.mul (local.get 0) (call $price (i32.sub (local.get 0) (i32.const 1))))))))`,
  );
  await s.patcher.apply(patch);
  expect(s.exports['price'](6)).toBe(720);
  expect(s.exports['handlers'].get(2)).toBe(s.exports['handlers'].get(1));
  expect(s.exports['call'](2, 5)).toBe(120);
  await s.patcher.revert(undefined);
  expect(s.exports['call'](2, 5)).toBe(50);
});

test('functions that a patch puts in the table of the program can be called from there', async () => {
  const s = await story(shop, log);
  const patch = await s.patch(
    'handlers',
    'price',
    `(module
      (import "target" "handlers" (table $handlers 0 funcref))
      (import "patch" "table_base" (global $base i32))
      (func $one (param i32) (result i32) (i32.const 111))
      (func $two (param i32) (result i32) (i32.const 222))
      (elem (table $handlers) (offset (global.get $base)) func $one $two)
      (func $price (export "price") (param i32) (result i32) (i32.add (global.get $base) (i32.const 1))))`,
  );
  expect(readPatch(patch).manifest.table).toEqual({ size: 2 });
  await s.patcher.apply(patch);
  const second = s.exports['price'](0);
  expect([second, s.exports['call'](second, 0), s.exports['call'](second - 1, 0)]).toEqual([5, 222, 111]);
});

test('two files with data, tables and elements of their own become one patch', async () => {
  const s = await story(shop, log);
  const file = (name: string, letter: string): string => `(module
    (type $pick (func (result i32)))
    (import "target" "memory" (memory 0))
    (import "patch" "memory_base" (global $base i32))
    (global $second i32 (i32.add (global.get $base) (i32.const 1)))
    (table $own 2 funcref)
    (elem (table $own) (i32.const 0) func $first $other)
    (data (global.get $base) "${letter}${letter.toLowerCase()}")
    (func $first (result i32) (i32.load8_u (global.get $base)))
    (func $other (result i32) (i32.load8_u (global.get $second)))
    (func $${name} (param i32) (result i32) (call_indirect $own (type $pick) (local.get 0))))`;
  const source = (name: string, letter: string) => ({
    function: name,
    source: { kind: 'wat', text: file(name, letter), file: `${name}.wat` } as const,
  });
  const replacements = [source('price', 'A'), source('sell', 'B')];
  const { bytes, report } = await buildPatch({ target: s.prepared, name: 'two', replacements });
  expect(report.memory?.sizeBytes).toBe(18);
  await s.patcher.apply(bytes);
  const letters = [0, 1].flatMap((i) => [s.exports['price'](i), s.exports['sell'](i)]);
  expect(String.fromCharCode(...letters)).toBe('ABab');
});

test('the same sources give the same bytes', async () => {
  const { bytes: target } = await prepare(wat(shop), { slots: 'all' });
  const text = '(module (func (export "price") (param i32) (result i32) (i32.const 1)))';
  const build = async (): Promise<string> => {
    const replacements = [{ function: 'price', source: { kind: 'wat', text, file: 'fix.wat' } as const }];
    const { bytes, report } = await buildPatch({ target, name: 'same', replacements });
    return `${report.id} ${Buffer.from(bytes).toString('hex')}`;
  };
  expect(await build()).toBe(await build());
});

test('a patch for a program with GC types, exceptions and a shared memory', async () => {
  const s = await story(`(module
    (rec (type $node (struct (field $next (ref null $node)) (field $value (mut i32)))))
    (type $visit (func (param (ref $node)) (result i32)))
    (memory (export "memory") 1 2 shared)
    (tag $odd (export "odd") (param i32))
    (func $value (type $visit) (struct.get $node $value (local.get 0)))
    (func (export "run") (param i32) (result i32)
      (block $caught (result i32)
        (try_table (result i32) (catch $odd $caught)
          (call $value (struct.new $node (ref.null $node) (local.get 0)))))))`);
  const patch = await s.patch(
    'gc',
    'value',
    `(module
      (type $unrelated (func))
      (rec (type $node (struct (field $next (ref null $node)) (field $value (mut i32)))))
      (import "target" "memory" (memory 1 2 shared))
      (import "target" "odd" (tag $odd (param i32)))
      (func $value (export "value") (param $n (ref $node)) (result i32)
        (i32.atomic.store (i32.const 0) (struct.get $node $value (local.get $n)))
        (if (i32.and (struct.get $node $value (local.get $n)) (i32.const 1)) (then (throw $odd (i32.const -1))))
        (i32.mul (i32.const 2) (i32.atomic.load (i32.const 0)))))`,
  );
  expect([s.exports['run'](3), s.exports['run'](4)]).toEqual([3, 4]);
  await s.patcher.apply(patch);
  expect([s.exports['run'](3), s.exports['run'](4)]).toEqual([-1, 8]);
});

describe('names', () => {
  const twins = `(module
    (func $a (export "a") (result i32) (i32.const 1))
    (func $b (export "b") (result i32) (i32.const 2))
    (func $"init" (export "c") (result i32) (i32.const 3)))`;

  /** Gives both $a and $b the name `init`, as two static functions of different files have. */
  function sameNames(bytes: Uint8Array): Uint8Array {
    const text = Buffer.from(bytes).toString('latin1');
    const names = text.replace('\x01a\x01\x01b\x02\x04init', '\x01a\x01\x01a\x02\x04init');
    return Buffer.from(names, 'latin1');
  }

  test('one of several functions of a name is NAME,N, any function #INDEX', async () => {
    const { bytes: target } = await prepare(sameNames(wat(twins)), { slots: 'all' });
    const replace = (name: string): ReturnType<typeof buildPatch> =>
      buildPatch({
        target,
        name: 'one',
        replacements: [
          {
            function: name,
            source: {
              kind: 'wat',
              text: '(module (func (export "x") (result i32) (i32.const 9)))',
              file: 'x.wat',
            },
          },
        ],
      });
    await expect(replace('a')).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_AMBIGUOUS',
      message: 'the program has 2 functions "a"',
      hint: 'say which: "a,1" (#0), "a,2" (#1)',
    });
    expect((await replace('a,2')).report.functions.map((f) => f.index)).toEqual([1]);
    expect((await replace('#2')).report.functions.map((f) => f.name)).toEqual(['init']);
    await expect(replace('inti')).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_UNKNOWN',
      message: 'the program has no function "inti"',
      hint: 'did you mean "init"?',
    });
    await expect(replace('a,3')).rejects.toMatchObject({ code: 'WGRAFT_ERR_FUNCTION_UNKNOWN' });
    await expect(replace('#99')).rejects.toMatchObject({ code: 'WGRAFT_ERR_FUNCTION_UNKNOWN' });
  });
});
