// Copies code, constant expressions and types from one module to another whose index spaces differ. Every index
// immediate goes through an IndexMap; all other bytes are copied as they are.

import type { ExternKind } from './module.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export type IndexSpace = ExternKind | 'type' | 'element' | 'data';

/** Gives the new index of an old one, with the opcode that names it (0 in types). It also tells what code refers to. */
export type IndexMap = (space: IndexSpace, index: number, opcode: number) => number;

/** Copies a function body: locals vector, instructions, final `end`. `r` must span exactly the body. */
export function copyBody(r: Reader, out: Writer, map: IndexMap): void {
  copyLocals(r, out, map);
  const copier = new Copier(r, out, map);
  while (!r.done) copier.instruction();
  copier.flush();
}

/** Copies the locals vector that a function body begins with. */
export function copyLocals(r: Reader, out: Writer, map: IndexMap): void {
  const copier = new Copier(r, out, map);
  r.vector(
    'locals',
    () => {
      r.u32();
      copier.valType();
    },
    2,
  );
  copier.flush();
}

/** Copies instructions up to the reader's end. */
export function copyInstructions(r: Reader, out: Writer, map: IndexMap): void {
  const copier = new Copier(r, out, map);
  while (!r.done) copier.instruction();
  copier.flush();
}

/** Copies one instruction. */
export function copyInstruction(r: Reader, out: Writer, map: IndexMap): void {
  const copier = new Copier(r, out, map);
  copier.instruction();
  copier.flush();
}

/** Copies one constant expression; its final `end` only if `withEnd`. */
export function copyConstant(r: Reader, out: Writer, map: IndexMap, withEnd = true): void {
  const copier = new Copier(r, out, map);
  while (r.bytes[r.at] !== 0x0b) copier.instruction();
  if (!withEnd) copier.flush();
  r.u8();
  if (withEnd) copier.flush();
}

/** Copies one value type. */
export function copyValType(r: Reader, out: Writer, map: IndexMap): void {
  const copier = new Copier(r, out, map);
  copier.valType();
  copier.flush();
}

/** Copies one entry of the type section: a recursion group, or a type that is a group of its own. */
export function copyTypeGroup(r: Reader, out: Writer, map: IndexMap): void {
  const copier = new Copier(r, out, map);
  if (r.bytes[r.at] === 0x4e) {
    r.u8();
    r.vector('types', () => copier.subType());
  } else {
    copier.subType();
  }
  copier.flush();
}

class Copier {
  readonly #r: Reader;
  readonly #out: Writer;
  readonly #map: IndexMap;
  /** Everything before this offset is written. */
  #copied: number;
  #opcode = 0;

  constructor(r: Reader, out: Writer, map: IndexMap) {
    this.#r = r;
    this.#out = out;
    this.#map = map;
    this.#copied = r.at;
  }

  flush(): void {
    this.#out.copy(this.#r.bytes, this.#copied, this.#r.at);
    this.#copied = this.#r.at;
  }

  #index(space: IndexSpace): void {
    this.flush();
    this.#out.u32(this.#map(space, this.#r.u32(), this.#opcode));
    this.#copied = this.#r.at;
  }

  /** A heap or block type: an s33 that is a type index when it is not negative. */
  #typeOrShorthand(): void {
    this.flush();
    const value = this.#r.s33();
    if (value < 0) return;
    this.#out.s64(BigInt(this.#map('type', value, this.#opcode)));
    this.#copied = this.#r.at;
  }

  valType(): void {
    const byte = this.#r.u8();
    if (byte === 0x63 || byte === 0x64) this.#typeOrShorthand();
  }

  #blockType(): void {
    const byte = this.#r.bytes[this.#r.at];
    if (byte === 0x63 || byte === 0x64) this.valType();
    else this.#typeOrShorthand();
  }

  /** The memory of a memarg is implied to be 0 where bit 6 of the flags is clear. */
  #memarg(): void {
    this.flush();
    const flags = this.#r.u32();
    const memory = this.#map('memory', flags & 0x40 ? this.#r.u32() : 0, this.#opcode);
    this.#out.u32(memory === 0 ? flags & ~0x40 : flags | 0x40);
    if (memory !== 0) this.#out.u32(memory);
    this.#copied = this.#r.at;
    this.#r.u64();
  }

  subType(): void {
    const form = this.#r.bytes[this.#r.at];
    if (form === 0x50 || form === 0x4f) {
      this.#r.u8();
      this.#r.vector('supertypes', () => this.#index('type'));
    }
    const start = this.#r.at;
    switch (this.#r.u8()) {
      case 0x60:
        this.#r.vector('parameters', () => this.#memberType());
        this.#r.vector('results', () => this.#memberType());
        return;
      case 0x5f:
        this.#r.vector('fields', () => this.#field(), 2);
        return;
      case 0x5e:
        return this.#field();
      default:
        this.#r.fail('this form of type cannot be copied', start);
    }
  }

  #field(): void {
    this.#memberType();
    this.#r.u8();
  }

  /** The long form of `funcref` and its like becomes the short one, so that equal types have equal bytes. */
  #memberType(): void {
    const [byte, heap = 0] = this.#r.bytes.subarray(this.#r.at, this.#r.at + 2);
    if (byte !== 0x63 || heap < 0x40 || heap > 0x7f) return this.valType();
    this.flush();
    this.#r.u8();
    this.#copied = this.#r.at;
    this.#r.u8();
  }

  instruction(): void {
    const r = this.#r;
    const at = r.at;
    const opcode = r.u8();
    this.#opcode = opcode;
    if (opcode >= 0xfb && opcode <= 0xfe) {
      const number = r.u32();
      if (opcode === 0xfb) this.#gc(number, at);
      else if (opcode === 0xfc) this.#misc(number, at);
      else if (opcode === 0xfd) this.#simd(number, at);
      else this.#atomic(number, at);
    } else {
      this.#plain(opcode, at);
    }
  }

  #plain(opcode: number, at: number): void {
    if (opcode >= 0x45 && opcode <= 0xc4) return;
    if (opcode >= 0x28 && opcode <= 0x3e) return this.#memarg();
    const shape = plainShapes[opcode] ?? this.#r.fail(`unknown opcode 0x${opcode.toString(16)}`, at);
    for (const part of shape) this.#immediate(part);
  }

  #immediate(part: Immediate): void {
    const r = this.#r;
    switch (part) {
      case 'block':
        return this.#blockType();
      case 'heap':
        return this.#typeOrShorthand();
      case 'u32':
        r.u32();
        return;
      case 's32':
        r.s32();
        return;
      case 's64':
        r.s64();
        return;
      case 'byte':
        r.u8();
        return;
      case 'f32':
        return r.skip(4);
      case 'f64':
        return r.skip(8);
      case 'branches':
        r.vector('branch targets', () => r.u32());
        r.u32();
        return;
      case 'types':
        r.vector('select types', () => this.valType());
        return;
      case 'catches':
        r.vector('catch clauses', () => this.#catchClause());
        return;
      default:
        return this.#index(part);
    }
  }

  #catchClause(): void {
    const kind = this.#r.u8();
    if (kind > 3) this.#r.fail(`unknown catch clause ${kind}`, this.#r.at - 1);
    if (kind < 2) this.#index('tag');
    this.#r.u32();
  }

  #gc(number: number, at: number): void {
    const shape = gcShapes[number] ?? this.#r.fail(`unknown instruction 0xfb ${number}`, at);
    for (const part of shape) this.#immediate(part);
  }

  #misc(number: number, at: number): void {
    const shape = miscShapes[number] ?? this.#r.fail(`unknown instruction 0xfc ${number}`, at);
    for (const part of shape) this.#immediate(part);
  }

  #simd(number: number, at: number): void {
    if (number <= 11 || number === 92 || number === 93) return this.#memarg();
    if (number === 12 || number === 13) return this.#r.skip(16);
    if (number >= 21 && number <= 34) return this.#r.skip(1);
    if (number >= 84 && number <= 91) {
      this.#memarg();
      return this.#r.skip(1);
    }
    if (number > 0x113) this.#r.fail(`unknown instruction 0xfd ${number}`, at);
  }

  #atomic(number: number, at: number): void {
    if (number === 3) return this.#r.skip(1);
    if (number > 0x4e || (number > 3 && number < 0x10))
      this.#r.fail(`unknown instruction 0xfe ${number}`, at);
    this.#memarg();
  }
}

type Immediate =
  | IndexSpace
  | 'block'
  | 'heap'
  | 'u32'
  | 's32'
  | 's64'
  | 'byte'
  | 'f32'
  | 'f64'
  | 'branches'
  | 'types'
  | 'catches';

/** Immediates of the one-byte opcodes, labels and locals being plain numbers; loads, stores and arithmetic are apart. */
const plainShapes: Readonly<Record<number, readonly Immediate[]>> = {
  0: [],
  1: [],
  2: ['block'],
  3: ['block'],
  4: ['block'],
  5: [],
  6: ['block'],
  7: ['tag'],
  8: ['tag'],
  9: ['u32'],
  10: [],
  11: [],
  12: ['u32'],
  13: ['u32'],
  14: ['branches'],
  15: [],
  16: ['func'],
  17: ['type', 'table'],
  18: ['func'],
  19: ['type', 'table'],
  20: ['type'],
  21: ['type'],
  24: ['u32'],
  25: [],
  26: [],
  27: [],
  28: ['types'],
  31: ['block', 'catches'],
  32: ['u32'],
  33: ['u32'],
  34: ['u32'],
  35: ['global'],
  36: ['global'],
  37: ['table'],
  38: ['table'],
  63: ['memory'],
  64: ['memory'],
  65: ['s32'],
  66: ['s64'],
  67: ['f32'],
  68: ['f64'],
  208: ['heap'],
  209: [],
  210: ['func'],
  211: [],
  212: [],
  213: ['u32'],
  214: ['u32'],
};

/** 0xfb: struct, array, i31 and cast instructions. */
const gcShapes: readonly (readonly Immediate[])[] = [
  ['type'],
  ['type'],
  ['type', 'u32'],
  ['type', 'u32'],
  ['type', 'u32'],
  ['type', 'u32'],
  ['type'],
  ['type'],
  ['type', 'u32'],
  ['type', 'data'],
  ['type', 'element'],
  ['type'],
  ['type'],
  ['type'],
  ['type'],
  [],
  ['type'],
  ['type', 'type'],
  ['type', 'data'],
  ['type', 'element'],
  ['heap'],
  ['heap'],
  ['heap'],
  ['heap'],
  ['byte', 'u32', 'heap', 'heap'],
  ['byte', 'u32', 'heap', 'heap'],
  [],
  [],
  [],
  [],
  [],
];

/** 0xfc: saturating conversions, bulk memory and tables, wide arithmetic. */
const miscShapes: readonly (readonly Immediate[])[] = [
  [],
  [],
  [],
  [],
  [],
  [],
  [],
  [],
  ['data', 'memory'],
  ['data'],
  ['memory', 'memory'],
  ['memory'],
  ['element', 'table'],
  ['element'],
  ['table', 'table'],
  ['table'],
  ['table'],
  ['table'],
  [],
  [],
  [],
  [],
  [],
];
