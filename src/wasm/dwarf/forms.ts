// Values of attributes: how each form is encoded. A value stays raw until it is asked for: a number, and where it stands.

import type { Reader } from '../index.ts';
import { form } from './constants.ts';
import type { DebugSections } from './sections.ts';

export interface Value {
  readonly form: number;
  /** The number; of a block and of a text in place, the offset of its first byte in the file. */
  readonly value: number;
  /** Of a block. */
  readonly size: number;
}

/** How many bytes a form takes; undefined where its value says so. */
export function fixedSize(f: number, addressSize: number): number | undefined {
  return f === form.addr ? addressSize : sizes[f];
}

/** By form. */
const sizes: (number | undefined)[] = [];
for (const f of [form.flagPresent, form.implicitConst]) sizes[f] = 0;
for (const f of [form.data1, form.ref1, form.flag, form.strx1, form.addrx1]) sizes[f] = 1;
for (const f of [form.data2, form.ref2, form.strx1 + 1, form.addrx1 + 1]) sizes[f] = 2;
for (const f of [form.strx1 + 2, form.addrx1 + 2]) sizes[f] = 3;
for (const f of [form.data4, form.ref4, form.strx4, form.addrx4, form.strp, form.lineStrp]) sizes[f] = 4;
for (const f of [form.secOffset, form.refAddr, form.refSup4, form.strpSup]) sizes[f] = 4;
for (const f of [form.data8, form.ref8, form.refSig8, form.refSup8]) sizes[f] = 8;
sizes[form.data16] = 16;

/** Is it an index in `.debug_str_offsets`? */
export function isTextIndex(f: number): boolean {
  return f === form.strx || (f >= form.strx1 && f <= form.strx4);
}

/** Is it an index in `.debug_addr`? */
export function isAddressIndex(f: number): boolean {
  return f === form.addrx || (f >= form.addrx1 && f <= form.addrx4);
}

/** Does it count from the start of the unit that it stands in? */
export function isUnitReference(f: number): boolean {
  return f >= form.ref1 && f <= form.refUdata;
}

/** Reads the value at the reader's place. `implicit`: the one that the abbreviation holds. */
export function readValue(
  s: DebugSections,
  r: Reader,
  f: number,
  { implicit, addressSize }: { readonly implicit: number; readonly addressSize: number },
): Value {
  const size = fixedSize(f, addressSize);
  if (size !== undefined)
    return { form: f, value: f === form.implicitConst ? implicit : fixed(s, r, f, size), size: 0 };
  switch (f) {
    case form.string: {
      const value = r.at;
      s.skipText(r);
      return { form: f, value, size: 0 };
    }
    case form.sdata:
      return { form: f, value: Number(r.s64()), size: 0 };
    case form.udata:
    case form.refUdata:
    case form.strx:
    case form.addrx:
    case form.loclistx:
    case form.rnglistx:
      return { form: f, value: Number(r.u64()), size: 0 };
    case form.indirect: {
      const actual = r.u32();
      if (actual === form.indirect || actual === form.implicitConst)
        r.fail('an indirect form that says no form');
      return readValue(s, r, actual, { implicit, addressSize });
    }
    default: {
      const length = blockSize(s, r, f);
      const value = r.at;
      r.skip(length);
      return { form: f, value, size: length };
    }
  }
}

function fixed(s: DebugSections, r: Reader, f: number, size: number): number {
  if (f === form.flagPresent) return 1;
  if (size === 8) return s.fixed64(r);
  if (size <= 4) return s.fixed(r, size);
  r.skip(size);
  return 0;
}

function blockSize(s: DebugSections, r: Reader, f: number): number {
  switch (f) {
    case form.block1:
      return s.fixed(r, 1);
    case form.block2:
      return s.fixed(r, 2);
    case form.block4:
      return s.fixed(r, 4);
    case form.block:
    case form.exprloc:
      return r.u32();
    default:
      return r.fail(`unknown form 0x${f.toString(16)} in the debug information`);
  }
}

/** Passes over a value without making anything of it. */
export function skipValue(s: DebugSections, r: Reader, f: number, addressSize: number): void {
  const size = fixedSize(f, addressSize);
  if (size !== undefined) r.skip(size);
  else if (f === form.udata || f === form.sdata || f === form.refUdata || f === form.strx)
    r.skip64(f === form.sdata);
  else if (f === form.exprloc) r.skip(r.u32());
  else readValue(s, r, f, { implicit: 0, addressSize });
}
