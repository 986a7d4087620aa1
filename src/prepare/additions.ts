// The code that preparing adds: the guard around a body, and the functions behind all others (docs/architecture.md,
// section 1, draws them in WAT). A guard is small in bytes of Wasm, by which V8 decides what it inlines, and in machine
// code, which is fetched whether the slot is taken or not: what only a taken slot needs stands in a function of its own.

import { attentionEntry, preparedExports } from '../patch/index.ts';
import {
  emptyBlock,
  type FuncIndex,
  type GlobalIndex,
  type Instruction,
  op,
  type Reader,
  readInstruction,
  type SegmentIndex,
  type TableIndex,
  type TypeIndex,
  type ValType,
  Writer,
} from '../wasm/index.ts';
import type { Job } from './job.ts';
import type { Plan } from './plan.ts';
import { writeSwitch } from './switch.ts';
import { valueBodies, valueFunctionCount } from './value-functions.ts';

/** Slots a setter leaf serves, and functions a passive segment holds: V8 materialises a segment when first touched. */
export const chunkSize = 256;

/** Added functions besides the setter's leaves, the redirects and those that say what globals hold. */
export const fixedFunctions = 2;

/** Added globals besides the slot words: it comes first, because guards name it and a small index is short. */
export const ownGlobals = 1;

/** Added types besides those of blocks: of the setter, of attention, of `__wgraft_value`. */
export function ownTypes({ attention, values }: Pick<Plan, 'attention' | 'values'>): number {
  return 1 + (attention ? 1 : 0) + (values.length > 0 ? 1 : 0);
}

/** Added exports besides those that patches may need of the program. */
export function ownExports({ values }: Pick<Plan, 'values'>): number {
  return Object.keys(preparedExports).length - (values.length > 0 ? 0 : 1);
}

/** Where the additions stand in the prepared module's index spaces. */
export interface Places {
  readonly slotTable: TableIndex;
  /** Where a guard leaves the slot word for the redirect that it goes to. */
  readonly word: GlobalIndex;
  /** The slot word of slot 0; the others follow. */
  readonly firstSlot: GlobalIndex;
  /** `(i32, i32) -> ()`. */
  readonly setterType: TypeIndex;
  /** Functions, in this order: set, fill, the setter's leaves, the redirects, `__wgraft_value` and its leaves. */
  readonly set: number;
  readonly fill: number;
  readonly firstLeaf: number;
  /** One for each type of a function that has a slot. */
  readonly redirects: ReadonlyMap<TypeIndex, Redirect>;
  /** `__wgraft_value`, and its type; undefined where the module has no such globals. */
  readonly value: { readonly index: FuncIndex; readonly type: TypeIndex } | undefined;
  /** Types without parameters, for blocks that leave several results. */
  readonly blockTypes: readonly (readonly ValType[])[];
  readonly firstSegment: SegmentIndex;
  /** The imported memory with the attention word, and `() -> ()`; undefined where the module is prepared without. */
  readonly attention: { readonly memory: number; readonly type: TypeIndex } | undefined;
}

/** The function that goes on where the slot word says: a tail call, so that it is all a patched call costs. */
export interface Redirect {
  readonly index: FuncIndex;
  readonly type: TypeIndex;
  /** How many. */
  readonly params: number;
  /** The type of a block that leaves the function's results, as code writes it. */
  readonly block: Uint8Array;
}

/** What one function's guard looks at, and where it goes. */
export interface Guard {
  readonly slotWord: GlobalIndex;
  readonly redirect: Redirect;
}

/** Is told where each branch of a guard stands, and whether it goes into the first arm. */
export type OnBranch = (at: number, likely: boolean) => void;

/**
 * Writes what a guard has in front of the instructions of a body: they are the first arm of an `if`, so that V8 has what a taken slot
 * needs behind them.
 */
export function writeGuard(
  out: Writer,
  places: Places,
  { slotWord, redirect }: Guard,
  onBranch?: OnBranch,
): void {
  if (places.attention !== undefined) writeVisit(out, places, places.attention, onBranch);
  out.u8(op.globalGet).u32(slotWord).u8(op.i32Eqz);
  onBranch?.(out.length, true);
  out.u8(op.if).raw(redirect.block);
}

/** Writes what it has behind them, in place of the `end` of the body: the way to the patch. */
export function writeWayOut(out: Writer, { word }: Places, { slotWord, redirect }: Guard): void {
  const { index, params } = redirect;
  out.u8(op.else);
  out.u8(op.globalGet).u32(slotWord).u8(op.globalSet).u32(word);
  for (let i = 0; i < params; i += 1) out.u8(op.localGet).u32(i);
  out.u8(op.returnCall).u32(index).u8(op.end).u8(op.end);
}

/** Calls the host where it wants that; it may change the slot word. i32.atomic.load of word 0: alignment 4 and, by bit 6, a memory index. */
function writeVisit(
  out: Writer,
  { slotTable }: Places,
  { memory, type }: NonNullable<Places['attention']>,
  onBranch?: OnBranch,
): void {
  out.u8(op.i32Const).s32(0).raw([0xfe, 0x10, 0x42]).u32(memory).u32(0);
  onBranch?.(out.length, false);
  out.u8(op.if).u8(emptyBlock).u8(op.i32Const).s32(attentionEntry);
  out.u8(op.callIndirect).u32(type).u32(slotTable).u8(op.end);
}

const opens: ReadonlySet<number> = new Set([op.block, op.loop, op.if, op.try, op.tryTable]);
const closes: ReadonlySet<number> = new Set([op.end, op.delegate]);

/**
 * The instructions between the two parts of a guard, as they are without it, but for their `end`; the reader is at the guard.
 * @throws WGRAFT_ERR_WASM_MALFORMED
 */
export function guardedCode(r: Reader): Uint8Array {
  const i: Instruction = { opcode: op.nop, at: r.at, immediate: r.at, index: -1, next: r.at };
  const next = (): number => {
    readInstruction(r, i);
    return i.opcode;
  };
  while (next() !== op.i32Eqz);
  next();
  const start = r.at;
  // binaryen lets `delegate` leave the guard, too, where an exception is to go to the caller.
  const outward: Instruction[] = [];
  let depth = 1;
  for (let opcode = next(); depth > 1 || opcode !== op.else; opcode = next()) {
    if (opens.has(opcode)) depth += 1;
    if (closes.has(opcode)) depth -= 1;
    if (opcode === op.delegate && i.index === depth) outward.push({ ...i });
  }
  const code = r.bytes.slice(start, i.at);
  for (const { immediate, next: end, index } of outward)
    code.set(new Writer(8).padded(index - 1, end - immediate).view(), immediate - start);
  return code;
}

/** How many functions are added, with so many redirects. */
export function addedCount({ guards, values }: Plan, redirects: number): number {
  return fixedFunctions + setterLeaves(guards) + redirects + valueFunctionCount(values);
}

export function setterLeaves(guards: number): number {
  return Math.ceil(guards / chunkSize);
}

/** The bodies to append, with their types, in the order of `Places`. */
export function addedFunctions({ m, plan, places }: Job): { type: TypeIndex; body: Uint8Array }[] {
  const leaves = setterLeaves(plan.guards);
  const { setterType: type, value } = places;
  return [
    { type, body: setBody(places, leaves) },
    { type, body: fillBody(places, Math.ceil(places.set / chunkSize)) },
    ...Array.from({ length: leaves }, (_, k) => {
      const first = k * chunkSize;
      return { type, body: leafBody(places, first, Math.min(chunkSize, plan.guards - first)) };
    }),
    ...Array.from(places.redirects.values(), (redirect) => ({
      type: redirect.type,
      body: redirectBody(places, redirect),
    })),
    ...(value === undefined
      ? []
      : valueBodies(m, plan.values, value.index).map((body) => ({ type: value.type, body }))),
  ];
}

/** V8 (14.6, inlining-tree.h) inlines a body of less than this many bytes however seldom it is called. */
const tinyBytes = 12;

function redirectBody(places: Places, { type, params }: Redirect): Uint8Array {
  const out = new Writer(params * 4 + 32).u8(0);
  while (out.length + params * 2 < tinyBytes - 5) out.u8(op.nop);
  for (let i = 0; i < params; i += 1) out.u8(op.localGet).u32(i);
  out.u8(op.globalGet).u32(places.word);
  return out.u8(op.returnCallIndirect).u32(type).u32(places.slotTable).u8(op.end).toBytes();
}

function setBody(places: Places, leaves: number): Uint8Array {
  const out = new Writer(leaves * 16 + 32).u8(0);
  const select = (): void => {
    out.u8(op.localGet).u32(0).u8(op.i32Const).s32(8).u8(op.i32ShrU);
  };
  writeSwitch(out, upTo(leaves), select, (k) => {
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
  writeSwitch(out, upTo(count), select, (i) => {
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
  writeSwitch(out, upTo(segments), select, (k) => {
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

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
