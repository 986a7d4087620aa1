// The body of `__wgraft_data`: what active segments, a side module's start function and its relocations do when an ordinary
// module is instantiated, as one function that the runtime calls when the patch is staged.

import { copyConstant, type IndexMap, op, Reader, type Writer } from '../wasm/index.ts';
import type { Placement, Space } from './placement.ts';
import { findExport, type Unit } from './unit.ts';

export interface DataPart {
  readonly unit: Unit;
  readonly placement: Placement;
  readonly map: IndexMap;
  /** Index of the global that holds the start of the unit's data. */
  readonly memoryBase: () => number;
  readonly isProgram: Space['isProgram'];
}

const prefix = 0xfc;

/** Writes the body; it is empty (two bytes) where there is nothing to do. */
export function writeDataFunction(out: Writer, parts: readonly DataPart[]): void {
  out.u32(0);
  for (const part of parts) {
    clear(out, part);
    copyData(out, part);
    fillTables(out, part);
    if (part.unit.kind !== 'wat') runSideModule(out, part);
  }
  out.u8(op.end);
}

/** Memory from an allocator is not zero, and a unit may expect that where no segment stands. */
function clear(out: Writer, { unit, placement, memoryBase, map, isProgram }: DataPart): void {
  if (placement.memorySize <= placement.covered) return;
  const memory = unit.module.memories.findIndex((_, index) => isProgram('memory', index));
  out.u8(op.globalGet).u32(memoryBase()).u8(op.i32Const).s32(0);
  out.u8(op.i32Const).s32(placement.memorySize);
  out
    .u8(prefix)
    .u32(op.memoryFill & 0xff)
    .u32(map('memory', memory, 0));
}

function copyData(out: Writer, { unit, map }: DataPart): void {
  const { bytes, data } = unit.module;
  for (const [index, segment] of data.entries()) {
    const length = segment.content.end - segment.content.start;
    if (segment.offset === undefined || length === 0) continue;
    copyConstant(new Reader(bytes, segment.offset.start, segment.offset.end), out, map, false);
    out.u8(op.i32Const).s32(0).u8(op.i32Const).s32(length);
    out.u8(prefix).u32(op.memoryInit & 0xff);
    out.u32(map('data', index, 0)).u32(map('memory', segment.memory, 0));
  }
}

/** Only tables of the unit's own: entries of the program's table are the manifest's business. */
function fillTables(out: Writer, { unit, map, isProgram }: DataPart): void {
  const { bytes, elements } = unit.module;
  for (const [index, segment] of elements.entries()) {
    if (segment.offset === undefined || isProgram('table', segment.table)) continue;
    if (segment.functions.length === 0) continue;
    copyConstant(new Reader(bytes, segment.offset.start, segment.offset.end), out, map, false);
    out.u8(op.i32Const).s32(0).u8(op.i32Const).s32(segment.functions.length);
    out.u8(prefix).u32(op.tableInit & 0xff);
    out.u32(map('element', index, 0)).u32(map('table', segment.table, 0));
  }
}

/** A side module's start function clears its memory; relocations write the addresses that its data holds. */
function runSideModule(out: Writer, { unit, map }: DataPart): void {
  const relocate = findExport(unit, 'func', '__wasm_apply_data_relocs');
  for (const index of [unit.module.start, relocate]) {
    if (index !== undefined && !isEmpty(unit, index)) out.u8(op.call).u32(map('func', index, 0));
  }
}

/** True for a function whose body does nothing. */
export function isEmpty(unit: Unit, index: number): boolean {
  const body = unit.module.bodies[index - unit.module.imported.func];
  return body !== undefined && body.end - body.start === 2;
}
