// Tables of `.debug_abbrev`: what an entry's code stands for, its tag and the forms of its attributes.
//
//   table := (code tag children:u8 (attribute form [implicit:s64])* 0 0)* 0      all numbers LEB128

import type { Reader } from '../index.ts';
import { form } from './constants.ts';
import { fixedSize } from './forms.ts';
import type { DebugSections } from './sections.ts';

export interface AttributeForm {
  readonly name: number;
  readonly form: number;
  readonly implicit: number;
}

export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly AttributeForm[];
  /** How many bytes all values take together, where that is always the same. */
  readonly size: number | undefined;
}

/** Far more than any compiler gives an entry; what it keeps small is the work that one byte of an entry can ask for. */
const mostAttributes = 128;

export type Abbreviations = ReadonlyMap<number, Abbreviation>;

/** Reads the table at that offset. */
export function readAbbreviations(s: DebugSections, offset: number, addressSize: number): Abbreviations {
  const r = s.reader('.debug_abbrev', offset);
  const start = r.at;
  const table = new Map<number, Abbreviation>();
  for (let code = r.u32(); code !== 0; code = r.u32()) {
    const tag = r.u32();
    const hasChildren = r.u8() !== 0;
    const attributes = readAttributeForms(r);
    table.set(code, { tag, hasChildren, attributes, size: sizeOf(attributes, addressSize) });
  }
  s.charge(r, r.at - start);
  return table;
}

function readAttributeForms(r: Reader): AttributeForm[] {
  const found: AttributeForm[] = [];
  for (;;) {
    const name = r.u32();
    const f = r.u32();
    const implicit = f === form.implicitConst ? Number(r.s64()) : 0;
    if (name === 0 && f === 0) return found;
    if (found.push({ name, form: f, implicit }) > mostAttributes)
      r.fail('an abbreviation with too many attributes');
  }
}

function sizeOf(attributes: readonly AttributeForm[], addressSize: number): number | undefined {
  let sum = 0;
  for (const { form: f } of attributes) {
    const size = fixedSize(f, addressSize);
    if (size === undefined) return undefined;
    sum += size;
  }
  return sum;
}
