// Walks instructions without understanding them: for each one its opcode, its first index immediate and where it ends.
// Enough for finding calls, rewriting indices and hashing; validity is the engine's business.

import type { Reader } from './reader.ts';
import { readHeapType, readValType } from './types.ts';

/** Opcodes the other rooms ask for. Prefixed ones are prefix * 0x10000 + number. */
export const op = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  try: 0x06,
  delegate: 0x18,
  tryTable: 0x1f,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  callRef: 0x14,
  returnCallRef: 0x15,
  drop: 0x1a,
  localGet: 0x20,
  localSet: 0x21,
  globalGet: 0x23,
  globalSet: 0x24,
  tableGet: 0x25,
  tableSet: 0x26,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32DivU: 0x6e,
  i32And: 0x71,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  refFunc: 0xd2,
  memoryInit: 0xfc0008,
  memoryCopy: 0xfc000a,
  memoryFill: 0xfc000b,
  tableInit: 0xfc000c,
  tableCopy: 0xfc000e,
  tableGrow: 0xfc000f,
  tableFill: 0xfc0011,
} as const;

/** The type of a block that takes and leaves nothing. */
export const emptyBlock = 0x40;

/** A read instruction. The walker reuses one object: copy what is to be kept. */
export interface Instruction {
  opcode: number;
  /** Offset of the opcode's first byte. */
  at: number;
  /** Offset of the first immediate, = `next` where there is none. */
  immediate: number;
  /** The first immediate where it is an index (function, type, local, global, label, segment …), else -1. */
  index: number;
  /** Offset of the next instruction. */
  next: number;
}

/** Calls `visit` for every instruction from the reader's place up to its end. */
export function walk(r: Reader, visit: (i: Instruction) => void): void {
  const i: Instruction = { opcode: 0, at: 0, immediate: 0, index: -1, next: r.at };
  while (!r.done) {
    readInstruction(r, i);
    visit(i);
  }
}

/** Passes over one constant expression, its `end` included, and calls `visit` for each instruction. */
export function walkConstant(r: Reader, visit: (i: Instruction) => void = () => {}): void {
  const i: Instruction = { opcode: 0, at: 0, immediate: 0, index: -1, next: r.at };
  do {
    readInstruction(r, i);
    if (i.opcode === op.block || i.opcode === op.loop || i.opcode === op.if)
      r.fail('not a constant expression', i.at);
    visit(i);
  } while (i.opcode !== op.end);
}

/** Reads the instruction at the reader's place into `i`. */
export function readInstruction(r: Reader, i: Instruction): void {
  i.at = r.at;
  i.index = -1;
  const byte = r.u8();
  i.opcode = byte;
  if (byte >= 0xfb && byte <= 0xfe) {
    const number = r.u32();
    i.opcode = byte * 0x10000 + number;
    i.immediate = r.at;
    if (byte === 0xfb) gc(r, i, number);
    else if (byte === 0xfc) misc(r, i, number);
    else if (byte === 0xfd) simd(r, i, number);
    else atomic(r, i, number);
  } else {
    i.immediate = r.at;
    plain(r, i, byte);
  }
  i.next = r.at;
}

function plain(r: Reader, i: Instruction, byte: number): void {
  if (byte >= 0x45 && byte <= 0xc4) return;
  if (byte >= 0x28 && byte <= 0x3e) return memarg(r);
  switch (byte) {
    case 0x00:
    case 0x01:
    case 0x05:
    case 0x0a:
    case 0x0b:
    case 0x0f:
    case 0x19:
    case 0x1a:
    case 0x1b:
    case 0xd1:
    case 0xd3:
    case 0xd4:
      return;
    case 0x02:
    case 0x03:
    case 0x04:
    case 0x06:
      return blockType(r);
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x12:
    case 0x14:
    case 0x15:
    case 0x18:
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x3f:
    case 0x40:
    case 0xd2:
    case 0xd5:
    case 0xd6:
      i.index = r.u32();
      return;
    case 0x11:
    case 0x13:
      i.index = r.u32();
      r.u32();
      return;
    case 0x0e:
      r.vector('branch targets', () => r.u32());
      r.u32();
      return;
    case 0x1c:
      r.vector('select types', () => readValType(r));
      return;
    case 0x1f:
      return tryTable(r);
    case 0x41:
      r.s32();
      return;
    case 0x42:
      return r.skip64(true);
    case 0x43:
      return r.skip(4);
    case 0x44:
      return r.skip(8);
    case 0xd0:
      readHeapType(r);
      return;
    default:
      r.fail(`unknown opcode 0x${byte.toString(16)}`, i.at);
  }
}

function blockType(r: Reader): void {
  const byte = r.bytes[r.at];
  // A value type or 0x40 (empty) is a negative s33 of one byte, except the two-byte reference types.
  if (byte === 0x63 || byte === 0x64) readValType(r);
  else r.s33();
}

function tryTable(r: Reader): void {
  blockType(r);
  r.vector('catch clauses', () => {
    const kind = r.u8();
    if (kind > 3) r.fail(`unknown catch clause ${kind}`, r.at - 1);
    if (kind < 2) r.u32();
    r.u32();
  });
}

function memarg(r: Reader): void {
  if (r.u32() & 0x40) r.u32();
  r.skip64(false);
}

/** How many index immediates the GC instructions 0 to 19 have. */
const gcIndices = [1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 2, 1, 1, 1, 1, 0, 1, 2, 2, 2];

function gc(r: Reader, i: Instruction, number: number): void {
  const indices = gcIndices[number];
  if (indices !== undefined) {
    if (indices > 0) i.index = r.u32();
    if (indices > 1) r.u32();
  } else if (number <= 23) {
    readHeapType(r);
  } else if (number <= 25) {
    r.u8();
    r.u32();
    readHeapType(r);
    readHeapType(r);
  } else if (number > 30) {
    r.fail(`unknown instruction 0xfb ${number}`, i.at);
  }
}

function misc(r: Reader, i: Instruction, number: number): void {
  if (number <= 7 || (number >= 19 && number <= 22)) return;
  if (number > 22) r.fail(`unknown instruction 0xfc ${number}`, i.at);
  i.index = r.u32();
  if (number === 8 || number === 10 || number === 12 || number === 14) r.u32();
}

function simd(r: Reader, i: Instruction, number: number): void {
  if (number <= 11 || number === 92 || number === 93) return memarg(r);
  if (number === 12 || number === 13) return r.skip(16);
  if (number >= 21 && number <= 34) return r.skip(1);
  if (number >= 84 && number <= 91) {
    memarg(r);
    return r.skip(1);
  }
  if (number > 0x113) r.fail(`unknown instruction 0xfd ${number}`, i.at);
}

function atomic(r: Reader, i: Instruction, number: number): void {
  if (number === 3) return r.skip(1);
  if (number > 0x4e || (number > 3 && number < 0x10)) r.fail(`unknown instruction 0xfe ${number}`, i.at);
  memarg(r);
}
