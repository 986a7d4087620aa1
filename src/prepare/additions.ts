// The code that preparing adds: the guard in front of a body, and the three functions behind all others
// (docs/architecture.md, section 1, draws them in WAT).

import {
  type GlobalIndex,
  op,
  type SegmentIndex,
  type TableIndex,
  type TypeIndex,
  Writer,
} from '../wasm/index.ts';

/** Slots a setter leaf serves, and functions a passive segment holds: V8 materialises a segment when first touched. */
export const chunkSize = 256;

/** Added functions besides the setter's leaves. */
export const fixedFunctions = 3;

/** Where the additions stand in the prepared module's index spaces. */
export interface Places {
  readonly slotTable: TableIndex;
  /** The slot word of slot 0; the others follow. */
  readonly firstSlot: GlobalIndex;
  readonly bypass: GlobalIndex;
  /** `(i32) -> i32` and `(i32, i32) -> ()`. */
  readonly questionType: TypeIndex;
  readonly setterType: TypeIndex;
  /** Functions, in this order: bypassed, set, fill, then the setter's leaves. */
  readonly bypassed: number;
  readonly set: number;
  readonly fill: number;
  readonly firstLeaf: number;
  readonly firstSegment: SegmentIndex;
}

const emptyBlock = 0x40;
const i32 = 0x7f;

/** Writes the guard of one function. */
export function writeGuard(out: Writer, places: Places, slot: number, type: TypeIndex, params: number): void {
  const word = places.firstSlot + slot;
  out.u8(op.globalGet).u32(word).u8(op.if).u8(emptyBlock);
  out
    .u8(op.i32Const)
    .s32(slot + 1)
    .u8(op.call)
    .u32(places.bypassed);
  out.u8(op.i32Eqz).u8(op.if).u8(emptyBlock);
  for (let i = 0; i < params; i += 1) out.u8(op.localGet).u32(i);
  out.u8(op.globalGet).u32(word);
  out.u8(op.returnCallIndirect).u32(type).u32(places.slotTable);
  out.u8(op.end).u8(op.end);
}

/** The bodies to append, with their types, in the order of `Places`. */
export function addedFunctions(
  places: Places,
  slots: number,
  functions: number,
): { type: TypeIndex; body: Uint8Array }[] {
  const leaves = Math.ceil(slots / chunkSize);
  return [
    { type: places.questionType, body: bypassedBody(places) },
    { type: places.setterType, body: setBody(places, leaves) },
    { type: places.setterType, body: fillBody(places, Math.ceil(functions / chunkSize)) },
    ...Array.from({ length: leaves }, (_, k) => ({
      type: places.setterType,
      body: leafBody(places, k * chunkSize, Math.min(chunkSize, slots - k * chunkSize)),
    })),
  ];
}

function bypassedBody({ bypass }: Places): Uint8Array {
  const out = new Writer(32).u8(0);
  out.u8(op.globalGet).u32(bypass).u8(op.localGet).u32(0).u8(op.i32Eq).u8(op.if).u8(i32);
  out.u8(op.i32Const).s32(0).u8(op.globalSet).u32(bypass).u8(op.i32Const).s32(1);
  out.u8(op.else).u8(op.i32Const).s32(0).u8(op.end).u8(op.end);
  return out.toBytes();
}

function setBody(places: Places, leaves: number): Uint8Array {
  const out = new Writer(leaves * 16 + 32).u8(0);
  const select = (): void => {
    out.u8(op.localGet).u32(0).u8(op.i32Const).s32(8).u8(op.i32ShrU);
  };
  writeSwitch(out, leaves, select, (k) => {
    out
      .u8(op.localGet)
      .u32(0)
      .u8(op.i32Const)
      .s32(chunkSize - 1)
      .u8(op.i32And)
      .u8(op.localGet)
      .u32(1);
    out.u8(op.call).u32(places.firstLeaf + k);
  });
  return out.toBytes();
}

function leafBody(places: Places, first: number, count: number): Uint8Array {
  const out = new Writer(count * 12 + 32).u8(0);
  const select = (): void => {
    out.u8(op.localGet).u32(0);
  };
  writeSwitch(out, count, select, (i) => {
    out
      .u8(op.localGet)
      .u32(1)
      .u8(op.globalSet)
      .u32(places.firstSlot + first + i);
  });
  return out.toBytes();
}

function fillBody(places: Places, segments: number): Uint8Array {
  const out = new Writer(segments * 24 + 32).u8(0);
  const select = (): void => {
    out.u8(op.localGet).u32(1).u8(op.i32Const).s32(8).u8(op.i32ShrU);
  };
  writeSwitch(out, segments, select, (k) => {
    out
      .u8(op.localGet)
      .u32(0)
      .u8(op.localGet)
      .u32(1)
      .u8(op.i32Const)
      .s32(chunkSize - 1)
      .u8(op.i32And);
    out.u8(op.i32Const).s32(1);
    out
      .u8(0xfc)
      .u32(12)
      .u32(places.firstSegment + k)
      .u32(places.slotTable);
  });
  return out.toBytes();
}

/** `switch (select) { case 0 … count-1: one(i); return } trap`, and the end of the function. */
function writeSwitch(out: Writer, count: number, select: () => void, one: (i: number) => void): void {
  for (let i = 0; i <= count; i += 1) out.u8(op.block).u8(emptyBlock);
  select();
  out.u8(op.brTable).u32(count);
  for (let i = 0; i <= count; i += 1) out.u32(i);
  for (let i = 0; i < count; i += 1) {
    out.u8(op.end);
    one(i);
    out.u8(op.return);
  }
  out.u8(op.end).u8(op.unreachable).u8(op.end);
}
