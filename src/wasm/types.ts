// Value types and the type section. Types are shown as WAT writes them: 'i32', 'funcref', '(ref null $7)'.

import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** A value type in WAT notation; two are the same type of one module exactly when their texts are equal. */
export type ValType = string;

export interface FuncType {
  readonly kind: 'func';
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** A struct, array or continuation type: it takes an index, and nothing here looks inside. */
export interface OtherType {
  readonly kind: 'struct' | 'array' | 'cont';
}

export type TypeEntry = FuncType | OtherType;

const numeric: Record<number, string> = {
  127: 'i32',
  126: 'i64',
  125: 'f32',
  124: 'f64',
  123: 'v128',
  120: 'i8',
  119: 'i16',
};

/** The bytes of the types that are numbers or vectors. */
export const numberTypes: Readonly<Record<ValType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

const abstractHeap: Record<number, string> = {
  112: 'func',
  111: 'extern',
  110: 'any',
  109: 'eq',
  108: 'i31',
  107: 'struct',
  106: 'array',
  105: 'exn',
  104: 'cont',
  113: 'none',
  114: 'noextern',
  115: 'nofunc',
  116: 'noexn',
  117: 'nocont',
};

/** WAT's one-word names of the nullable abstract reference types. */
const shorthand: Record<string, string> = {
  none: 'nullref',
  noextern: 'nullexternref',
  nofunc: 'nullfuncref',
  noexn: 'nullexnref',
  nocont: 'nullcontref',
};

const heapOf = new Map(Object.entries(abstractHeap).map(([byte, heap]) => [heap, Number(byte)]));

/** The types of one byte. */
const byteOf = new Map<ValType, number>([
  ...Object.entries(numeric).map(([byte, type]): [ValType, number] => [type, Number(byte)]),
  ...[...heapOf].map(([heap, byte]): [ValType, number] => [shorthand[heap] ?? `${heap}ref`, byte]),
]);

export function readHeapType(r: Reader): string {
  const start = r.at;
  const value = r.s33();
  if (value >= 0) return `$${value}`;
  return abstractHeap[value + 0x80] ?? r.fail(`unknown heap type ${value}`, start);
}

export function readValType(r: Reader): ValType {
  const start = r.at;
  const byte = r.u8();
  const plain = numeric[byte];
  if (plain !== undefined) return plain;
  if (byte === 0x63) return nullable(readHeapType(r));
  if (byte === 0x64) return `(ref ${readHeapType(r)})`;
  return nullable(abstractHeap[byte] ?? r.fail(`unknown value type 0x${byte.toString(16)}`, start));
}

/** `funcref` for both ways to write it. */
function nullable(heap: string): ValType {
  return heap.startsWith('$') ? `(ref null ${heap})` : (shorthand[heap] ?? `${heap}ref`);
}

/** Writes a value type; `map` gives the indices of the types that it names. */
export function writeValType(out: Writer, type: ValType, map: (index: number) => number): Writer {
  const byte = byteOf.get(type);
  if (byte !== undefined) return out.u8(byte);
  const [, nullable, heap = ''] = /^\(ref (null )?(.+)\)$/.exec(type) ?? [];
  out.u8(nullable === undefined ? 0x64 : 0x63);
  const abstract = heapOf.get(heap);
  return abstract === undefined ? out.s32(map(Number(heap.slice(1)))) : out.u8(abstract);
}

/** Which references there are; none of one hierarchy is of another. */
export type Hierarchy = 'any' | 'extern' | 'func' | 'exn' | 'cont';

const hierarchies: Readonly<Record<string, Hierarchy>> = {
  any: 'any',
  eq: 'any',
  i31: 'any',
  struct: 'any',
  array: 'any',
  none: 'any',
  extern: 'extern',
  noextern: 'extern',
  func: 'func',
  nofunc: 'func',
  exn: 'exn',
  noexn: 'exn',
  cont: 'cont',
  nocont: 'cont',
};

/** The hierarchy of a reference type of a module with these types; undefined for numbers and vectors. */
export function hierarchyOf(type: ValType, types: readonly TypeEntry[]): Hierarchy | undefined {
  const heap = /^\(ref (?:null )?(.+)\)$/.exec(type)?.[1] ?? abstractHeap[byteOf.get(type) ?? 0] ?? '';
  if (!heap.startsWith('$')) return hierarchies[heap];
  const kind = types[Number(heap.slice(1))]?.kind;
  return kind === 'func' || kind === 'cont' ? kind : 'any';
}

/** Reads the payload of a type section: `most` types, members of recursion groups counted. */
export function readTypes(r: Reader, most: number): TypeEntry[] {
  const types: TypeEntry[] = [];
  const groups = r.count('types', 1, most);
  for (let i = 0; i < groups; i += 1) {
    if (r.bytes[r.at] === 0x4e) {
      r.u8();
      r.vector('recursion group', () => types.push(readSubType(r)), 1, most - types.length);
    } else {
      types.push(readSubType(r));
    }
  }
  r.finish('type section');
  return types;
}

function readSubType(r: Reader): TypeEntry {
  const start = r.at;
  let form = r.u8();
  if (form === 0x50 || form === 0x4f) {
    r.vector('supertypes', () => r.u32());
    form = r.u8();
  }
  switch (form) {
    case 0x60:
      return {
        kind: 'func',
        params: r.vector('parameters', () => readValType(r)),
        results: r.vector('results', () => readValType(r)),
      };
    case 0x5f:
      r.vector('fields', () => readField(r));
      return { kind: 'struct' };
    case 0x5e:
      readField(r);
      return { kind: 'array' };
    case 0x5d:
      r.s33();
      return { kind: 'cont' };
    default:
      return r.fail(`unknown type form 0x${form.toString(16)}`, start);
  }
}

function readField(r: Reader): void {
  readValType(r);
  r.u8();
}

/** `(i32, i64) -> f32`, as messages and manifests write a function type. */
export function showFuncType(type: FuncType): string {
  const results = type.results.length === 1 ? type.results[0] : `(${type.results.join(', ')})`;
  return `(${type.params.join(', ')}) -> ${type.results.length === 0 ? '()' : results}`;
}
