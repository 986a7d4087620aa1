// Immutable globals of every kind of reference, as patches import them: the same object, not one like it.

import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type PatchImport, readPatch, writePatch } from '../../../src/patch/index.ts';
import { readModule, readSections, sectionIds, Writer } from '../../../src/wasm/index.ts';
import { story } from '../../support/story.ts';
import { wat } from '../../support/wat.ts';

const types = `
  (type $point (struct (field $x (mut i32))))
  (type $row (array (mut i64)))
  (type $get (func (result i32)))`;

const row = '(array.new $row (i64.const 0) (i32.const 7))';
const point = '(struct.new $point (i32.const 7))';
const number = '(ref.i31 (i32.const 7))';

/** A type, what the global holds, and how to get 7 out of it. */
const constants: readonly (readonly [type: string, init: string, take: (value: string) => string])[] = [
  ['(ref $point)', point, (v) => `(struct.get $point $x ${v})`],
  ['(ref null $point)', point, (v) => `(struct.get $point $x ${v})`],
  ['structref', point, (v) => `(struct.get $point $x (ref.cast (ref $point) ${v}))`],
  ['(ref $row)', row, (v) => `(array.len ${v})`],
  ['arrayref', row, (v) => `(array.len ${v})`],
  ['(ref array)', row, (v) => `(array.len ${v})`],
  ['(ref i31)', number, (v) => `(i31.get_s ${v})`],
  ['i31ref', number, (v) => `(i31.get_s ${v})`],
  ['eqref', number, (v) => `(i31.get_s (ref.cast (ref i31) ${v}))`],
  ['anyref', number, (v) => `(i31.get_s (ref.cast (ref i31) ${v}))`],
  ['nullref', '(ref.null none)', (v) => `(select (i32.const 7) (i32.const 0) (ref.is_null ${v}))`],
  [
    'externref',
    `(extern.convert_any ${point})`,
    (v) => `(struct.get $point $x (ref.cast (ref $point) (any.convert_extern ${v})))`,
  ],
  [
    '(ref extern)',
    `(extern.convert_any ${number})`,
    (v) => `(i31.get_s (ref.cast (ref i31) (any.convert_extern ${v})))`,
  ],
  ['funcref', '(ref.func $seven)', (v) => `(call_ref $get (ref.cast (ref $get) ${v}))`],
  ['(ref $get)', '(ref.func $seven)', (v) => `(call_ref $get ${v})`],
  ['exnref', '(ref.null exn)', (v) => `(select (i32.const 7) (i32.const 0) (ref.is_null ${v}))`],
];

/** Between them stand others, so that they are in several leaves, and one of those leaves is left out. */
const distance = 70;
const indexOf = (i: number): number => i * distance + (i < 8 ? 0 : 300);
const between = (count: number): string => '(global i32 (i32.const 0))'.repeat(count);

const kernel = `(module ${types}
  (elem declare func $seven)
  (func $seven (type $get) (i32.const 7))
  ${constants.map(([type, init], i) => `(global ${type} ${init}) ${between(indexOf(i + 1) - indexOf(i) - 1)}`).join('\n')}
  ${constants.map((_, i) => `(func $read${i} (export "read${i}") (result i32) (i32.const 0))`).join('\n')}
  (func $isSame (param (ref $point)) (result i32) (i32.const -1))
  (func (export "isSame") (result i32) (call $isSame (global.get 0))))`;

const reading = `(module ${types}
  ${constants.map(([type], i) => `(import "target" "#${indexOf(i)}" (global $g${i} ${type}))`).join('\n')}
  ${constants.map(([, , take], i) => `(func (export "read${i}") (result i32) ${take(`(global.get $g${i})`)})`).join('\n')}
  (func (export "isSame") (param (ref $point)) (result i32) (ref.eq (local.get 0) (global.get $g0))))`;

// - the program has a global of each type that holds a 7 in some form
// - a patch imports all of them and reads the sevens; of one it says whether it is the object that the program has
test('a patch reads what they hold', async () => {
  const app = await story(kernel);
  const all = constants.map((_, i) => `read${i}`);
  const read = (): unknown[] => constants.map(([type], i) => [type, app.exports[`read${i}`]()]);
  await app.patcher.apply(await app.patch('reading', [...all, 'isSame'], reading));
  expect(read()).toEqual(constants.map(([type]) => [type, 7]));
  expect(app.exports['isSame']()).toBe(1);
  const exported = readModule(app.prepared).exports.filter((e) => e.name.startsWith('__wgraft_global_'));
  expect(
    exported.map((e) => e.index),
    'what JavaScript cannot hold is exported',
  ).toEqual([13, 14, 15].map(indexOf));
});

const box = new WebAssembly.Global({ value: 'i32' }, 3);
const elsewhere = runInNewContext(`new WebAssembly.Global({ value: 'externref' }, 'inside')`);
const untouchable = Proxy.revocable({}, {});
untouchable.revoke();

test.each([
  ['null', null],
  ['undefined', undefined],
  ['text', 'text'],
  ['a number', 2 ** 40],
  ['an object', {}],
  ['a global', box],
  ['a global of another realm', elsewhere],
  ['an object that inherits from globals', Object.create(WebAssembly.Global.prototype)],
  ['an object that may not be looked at', untouchable.proxy],
])('what the host gave comes to a patch as it is: %s', async (_, value) => {
  const app = await story(
    `(module (global $given (import "host" "given") externref)
         (global $any anyref (any.convert_extern (global.get $given)))
         (func (export "get") (result externref) (ref.null extern))
         (func (export "getAny") (result anyref) (ref.null any)))`,
    { host: { given: new WebAssembly.Global({ value: 'externref' }, value) } },
  );
  const text = `(module (import "target" "#0" (global $given externref)) (import "target" "#1" (global $any anyref))
      (func (export "get") (result externref) (global.get $given))
      (func (export "getAny") (result anyref) (global.get $any)))`;
  await app.patcher.apply(await app.patch('get', ['get', 'getAny'], text));
  expect(Object.is(app.exports['get'](), value)).toBe(true);
  expect(Object.is(app.exports['getAny'](), value)).toBe(true);
});

// - the program says `(ref null extern)` with two bytes, which is the same type as externref
test('a type that is written in its long form is the same type', async () => {
  const short = wat(`(module (import "h" "g" (global externref))
    (func (export "get") (result externref) (ref.null extern)))`);
  const app = await story(withLongForm(short), {
    h: { g: new WebAssembly.Global({ value: 'externref' }, 'given') },
  });
  const text = `(module (import "target" "#0" (global $given externref))
      (func (export "get") (result externref) (global.get $given)))`;
  await app.patcher.apply(await app.patch('get', 'get', text));
  expect(app.exports['get']()).toBe('given');
});

/** With `63 6f` for each `6f` in the type and import sections. */
function withLongForm(bytes: Uint8Array): Uint8Array {
  const out = new Writer(bytes.length + 16).raw(bytes.subarray(0, 8));
  for (const { id, start, payload, end } of readSections(bytes)) {
    const content = [...bytes.subarray(payload, end)];
    if (id !== sectionIds.type && id !== sectionIds.import) out.raw(bytes.subarray(start, end));
    else out.section(id, Uint8Array.from(content.flatMap((byte) => (byte === 0x6f ? [0x63, byte] : [byte]))));
  }
  return out.toBytes();
}

test('a patch that asks for a global that is not there is not staged', async () => {
  const app = await story('(module (global $is externref (ref.null extern)) (func (export "get")))');
  const text = `(module (import "target" "#0" (global externref)) (func (export "get") (drop (global.get 0))))`;
  const { manifest } = readPatch(await app.patch('get', 'get', text));
  const [wanted, ...rest] = manifest.imports;
  const forged = { ...manifest, imports: [{ ...wanted, index: 99_999 } as PatchImport, ...rest] };
  const module = wat(`(module (import "${wanted?.module}" "${wanted?.name}" (global externref))
    (func (export "${manifest.replaces[0]?.export}")))`);
  const patch = writePatch(module, forged, { name: 'x', version: '' }).module;
  await expect(app.patcher.apply(patch)).rejects.toMatchObject({
    code: 'WGRAFT_ERR_STAGE_FAILED',
    message: expect.stringContaining('it has no global 99999'),
  });
});
