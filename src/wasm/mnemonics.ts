// Shows one instruction as WAT writes it: mnemonic and immediates. For messages about single instructions, not for whole
// modules. Of SIMD and atomic instructions beyond the common ones only the number is shown.

import { type Instruction, op } from './instructions.ts';
import { Reader } from './reader.ts';
import { readHeapType, readValType } from './types.ts';

/** What stands for an immediate that is an index; undefined: the number itself. */
export type ShowIndex = (opcode: number, index: number) => string | undefined;

const single: Readonly<Record<number, string>> = {
  0: 'unreachable',
  1: 'nop',
  2: 'block',
  3: 'loop',
  4: 'if',
  5: 'else',
  6: 'try',
  7: 'catch',
  8: 'throw',
  9: 'rethrow',
  10: 'throw_ref',
  11: 'end',
  12: 'br',
  13: 'br_if',
  14: 'br_table',
  15: 'return',
  16: 'call',
  17: 'call_indirect',
  18: 'return_call',
  19: 'return_call_indirect',
  20: 'call_ref',
  21: 'return_call_ref',
  24: 'delegate',
  25: 'catch_all',
  26: 'drop',
  27: 'select',
  28: 'select',
  31: 'try_table',
  32: 'local.get',
  33: 'local.set',
  34: 'local.tee',
  35: 'global.get',
  36: 'global.set',
  37: 'table.get',
  38: 'table.set',
  63: 'memory.size',
  64: 'memory.grow',
  65: 'i32.const',
  66: 'i64.const',
  67: 'f32.const',
  68: 'f64.const',
  208: 'ref.null',
  209: 'ref.is_null',
  210: 'ref.func',
  211: 'ref.eq',
  212: 'ref.as_non_null',
  213: 'br_on_null',
  214: 'br_on_non_null',
};

const integerLoads = 'load8_s load8_u load16_s load16_u';
/** 0x28 to 0x3e. */
const memory: readonly string[] = [
  ...['i32.load', 'i64.load', 'f32.load', 'f64.load'],
  ...prefixed('i32', integerLoads),
  ...prefixed('i64', `${integerLoads} load32_s load32_u`),
  ...['i32.store', 'i64.store', 'f32.store', 'f64.store'],
  ...prefixed('i32', 'store8 store16'),
  ...prefixed('i64', 'store8 store16 store32'),
];

const integerTests = 'eqz eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const floatTests = 'eq ne lt gt le ge';
const integerMath = 'clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
const floatMath = 'abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign';
const truncations = 'trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u';
/** 0x45 to 0xc4. */
const numeric: readonly string[] = [
  ...prefixed('i32', integerTests),
  ...prefixed('i64', integerTests),
  ...prefixed('f32', floatTests),
  ...prefixed('f64', floatTests),
  ...prefixed('i32', integerMath),
  ...prefixed('i64', integerMath),
  ...prefixed('f32', floatMath),
  ...prefixed('f64', floatMath),
  ...prefixed('i32', `wrap_i64 ${truncations}`),
  ...prefixed('i64', `extend_i32_s extend_i32_u ${truncations}`),
  ...prefixed('f32', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64'),
  ...prefixed('f64', 'convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32'),
  ...['i32.reinterpret_f32', 'i64.reinterpret_f64', 'f32.reinterpret_i32', 'f64.reinterpret_i64'],
  ...prefixed('i32', 'extend8_s extend16_s'),
  ...prefixed('i64', 'extend8_s extend16_s extend32_s'),
];

/** 0xfc. */
const miscellaneous: readonly string[] = [
  ...prefixed('i32', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'),
  ...prefixed('i64', 'trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u'),
  ...['memory.init', 'data.drop', 'memory.copy', 'memory.fill', 'table.init', 'elem.drop'],
  ...['table.copy', 'table.grow', 'table.size', 'table.fill'],
];

function prefixed(type: string, names: string): string[] {
  return names.split(' ').map((name) => `${type}.${name}`);
}

/** Shows one instruction. @throws WGRAFT_ERR_WASM_MALFORMED */
export function showInstruction(
  bytes: Uint8Array,
  i: Readonly<Pick<Instruction, 'opcode' | 'at' | 'next' | 'index'>>,
  showIndex: ShowIndex = () => undefined,
): string {
  const name = mnemonic(i.opcode);
  const r = new Reader(bytes, i.at, i.next);
  if (r.u8() >= 0xfb) r.u32();
  const shown = immediates(r, i.opcode, (index) => showIndex(i.opcode, index) ?? String(index));
  return shown === '' ? name : `${name} ${shown}`;
}

function mnemonic(opcode: number): string {
  if (opcode >= 0x28 && opcode <= 0x3e) return memory[opcode - 0x28] ?? '';
  if (opcode >= 0x45 && opcode <= 0xc4) return numeric[opcode - 0x45] ?? '';
  const [prefix, number] = [opcode >>> 16, opcode & 0xffff];
  if (prefix === 0xfc && miscellaneous[number] !== undefined) return miscellaneous[number];
  if (opcode === 0xfd0000) return 'v128.load';
  if (opcode === 0xfd000b) return 'v128.store';
  if (opcode === 0xfd000c) return 'v128.const';
  return single[opcode] ?? `instruction 0x${prefix.toString(16)} ${number}`;
}

function immediates(r: Reader, opcode: number, index: (index: number) => string): string {
  if ((opcode >= 0x28 && opcode <= 0x3e) || opcode === 0xfd0000 || opcode === 0xfd000b) return memarg(r);
  switch (opcode) {
    case 0x02:
    case 0x03:
    case 0x04:
    case 0x06:
      return blockType(r);
    case 0x0e:
      return [...r.vector('branch targets', () => r.u32()), r.u32()].join(' ');
    case 0x11:
    case 0x13: {
      const type = index(r.u32());
      const table = r.u32();
      return table === 0 ? `(type ${type})` : `${table} (type ${type})`;
    }
    case 0x1c:
      return `(result ${r.vector('select types', () => readValType(r)).join(' ')})`;
    case 0x3f:
    case 0x40:
      return '';
    case 0x41:
      return String(r.s32());
    case 0x42:
      return String(r.s64());
    case 0x43:
      return String(view(r, 4).getFloat32(0, true));
    case 0x44:
      return String(view(r, 8).getFloat64(0, true));
    case 0xd0:
      return readHeapType(r);
  }
  if (opcode === op.memoryCopy || opcode === op.memoryFill) return '';
  const hasIndex = (opcode >= 0x07 && opcode <= 0x26) || opcode === 0xd2 || opcode >>> 16 === 0xfc;
  return hasIndex && !r.done && opcode !== 0x1f ? index(r.u32()) : '';
}

function blockType(r: Reader): string {
  const byte = r.bytes[r.at] ?? 0;
  if (byte === 0x40) return '';
  // A value type is a negative number of one byte, or one of the two-byte reference types.
  if (byte === 0x63 || byte === 0x64 || (byte >= 0x41 && byte < 0x80)) return `(result ${readValType(r)})`;
  return `(type ${r.s33()})`;
}

function memarg(r: Reader): string {
  const flags = r.u32();
  const memory = flags & 0x40 ? `${r.u32()} ` : '';
  const offset = r.u64();
  return `${memory}${offset === 0n ? '' : `offset=${offset}`}`.trimEnd();
}

function view(r: Reader, width: number): DataView {
  const at = r.at;
  r.skip(width);
  return new DataView(r.bytes.buffer, r.bytes.byteOffset + at, width);
}
