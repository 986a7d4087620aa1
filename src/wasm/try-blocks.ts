// Does any function have a `try`? V8 (14.6) leaves a function out of its stack traces that it inlined into a try block of
// another; whoever relies on stack traces has to know that there are such blocks. All code has to be looked at for that, so
// what most of it consists of is passed over by a table, and only the rest is read as instructions.

import { type Instruction, op, readInstruction } from './instructions.ts';
import { bodyReader, type WasmModule } from './module.ts';
import type { Reader } from './reader.ts';

/** What follows an opcode: nothing, one or two LEB128, a block type, so many bytes; or it has to be read. */
const follows = { nothing: 0, one: 1, two: 2, blockType: 3, four: 4, eight: 8, read: 9 } as const;

const shapes: Uint8Array = new Uint8Array(256).fill(follows.read);
const setShape = (shape: number, ...opcodes: readonly (number | readonly [number, number])[]): void => {
  for (const some of opcodes) {
    const [first, last] = typeof some === 'number' ? [some, some] : some;
    shapes.fill(shape, first, last + 1);
  }
};
setShape(follows.nothing, op.unreachable, op.nop, op.else, op.end, op.return, [op.drop, 0x1b], [0x45, 0xc4]);
setShape(follows.one, [op.br, op.brIf], op.call, op.returnCall, [op.localGet, 0x26]);
setShape(follows.one, op.memorySize, op.memoryGrow, op.i32Const, op.i64Const, op.refFunc);
setShape(follows.two, op.callIndirect, op.returnCallIndirect, [0x28, 0x3e]);
setShape(follows.blockType, op.block, op.loop, op.if);
setShape(follows.four, op.f32Const);
setShape(follows.eight, op.f64Const);

/** True if some body has a `try` or `try_table`. @throws WGRAFT_ERR_WASM_MALFORMED */
export function hasTryBlocks(m: WasmModule): boolean {
  const found: Instruction = { opcode: 0, at: 0, immediate: 0, index: -1, next: 0 };
  return m.bodies.some((body) => holdsTry(bodyReader(m.bytes, body), found));
}

function holdsTry(r: Reader, i: Instruction): boolean {
  const { bytes, end } = r;
  let { at } = r;
  while (at < end) {
    const shape = followed(bytes, at);
    if (shape === follows.read) {
      r.at = at;
      readInstruction(r, i);
      if (i.opcode === op.try || i.opcode === op.tryTable) return true;
      at = i.next;
      continue;
    }
    at += 1;
    if (shape === follows.nothing) continue;
    if (shape >= follows.four) {
      at += shape;
      continue;
    }
    while ((bytes[at++] ?? 0) >= 0x80);
    if (shape === follows.two) while ((bytes[at++] ?? 0) >= 0x80);
  }
  return false;
}

/** Memory arguments that name a memory, and block types of two bytes, have to be read. */
function followed(bytes: Uint8Array, at: number): number {
  const opcode = bytes[at] ?? 0;
  const shape = shapes[opcode] ?? follows.read;
  if (shape === follows.two && opcode >= 0x28)
    return ((bytes[at + 1] ?? 0) & 0x40) === 0 ? shape : follows.read;
  if (shape !== follows.blockType) return shape;
  const type = bytes[at + 1] ?? 0;
  return type === 0x63 || type === 0x64 ? follows.read : follows.one;
}
