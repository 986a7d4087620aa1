// Where a unit's data and functions go in the program's memory and table: an active segment says `base + constant`, and only
// that. A fixed offset would write over what the program has there.

import { WgraftError } from '../errors.ts';
import { type FuncIndex, type GlobalIndex, op, type Range, Reader, walkConstant } from '../wasm/index.ts';
import type { Binding } from './binding.ts';
import type { Unit } from './unit.ts';

export interface Placement {
  /** How much of the program's memory the unit needs, from its memory base. */
  readonly memorySize: number;
  /** Of these bytes, how many the segments fill. */
  readonly covered: number;
  readonly alignment: number;
  /** The unit's functions for the program's table, by their distance from the table base. */
  readonly entries: readonly FuncIndex[];
}

export interface Space {
  readonly unit: Unit;
  /** The binding of an imported global; undefined for one of the unit's own. */
  readonly globalBinding: (index: GlobalIndex) => Binding | undefined;
  /** True for the imported memory or table that is the program's. */
  readonly isProgram: (kind: 'memory' | 'table', index: number) => boolean;
}

const defaultAlignment = 16;
const sizeLimitBytes = 1 << 30;

/** @throws WGRAFT_ERR_SOURCE_UNSUPPORTED for segments that are not placed relative to a base. */
export function placeUnit(space: Space): Placement {
  const { unit } = space;
  let memorySize = unit.dylink?.memorySize ?? 0;
  let covered = 0;
  for (const segment of unit.module.data) {
    if (segment.offset === undefined || !space.isProgram('memory', segment.memory)) continue;
    const length = segment.content.end - segment.content.start;
    const start = distance(space, segment.offset, 'memory-base');
    if (start === undefined) fixed(unit, 'data', segment.start);
    memorySize = Math.max(memorySize, start + length);
    covered += length;
  }
  if (memorySize > sizeLimitBytes) refuse(unit, `it needs ${memorySize} bytes of memory`);
  const alignment = Math.min(Math.max(defaultAlignment, 2 ** (unit.dylink?.memoryAlignment ?? 0)), 65536);
  return { memorySize, covered, alignment, entries: tableEntries(space) };
}

function tableEntries(space: Space): FuncIndex[] {
  const { unit } = space;
  const entries: (FuncIndex | undefined)[] = [];
  for (const segment of unit.module.elements) {
    if (segment.offset === undefined || !space.isProgram('table', segment.table)) continue;
    if (segment.table !== 0)
      refuse(unit, `its element segment is for table ${segment.table}; a patch can only add to table 0`);
    const start = distance(space, segment.offset, 'table-base');
    if (start === undefined) fixed(unit, 'element', segment.start);
    if (start > 100_000) refuse(unit, `its element segment starts ${start} entries after the table base`);
    for (const [i, index] of segment.functions.entries()) entries[start + i] = index;
  }
  return Array.from(
    entries,
    (index, i) => index ?? refuse(unit, `entry ${i} after the table base has no function`),
  );
}

/** `base + constant` as the constant; undefined for any other expression. */
function distance(space: Space, offset: Range, base: 'memory-base' | 'table-base'): number | undefined {
  const { bytes } = space.unit.module;
  const stack: ({ bases: number; sum: number } | undefined)[] = [];
  walkConstant(new Reader(bytes, offset.start, offset.end), (i) => {
    if (i.opcode === op.i32Const) {
      stack.push({ bases: 0, sum: new Reader(bytes, i.immediate, i.next).s32() });
    } else if (i.opcode === op.globalGet) {
      const binding = space.globalBinding(i.index);
      stack.push(binding?.kind === base ? { bases: 1, sum: 0 } : undefined);
    } else if (i.opcode === op.i32Add) {
      const [b, a] = [stack.pop(), stack.pop()];
      stack.push(a && b && { bases: a.bases + b.bases, sum: a.sum + b.sum });
    } else if (i.opcode !== op.end) {
      stack.push(undefined);
    }
  });
  const [result] = stack;
  return stack.length === 1 && result?.bases === 1 && result.sum >= 0 ? result.sum : undefined;
}

function fixed(unit: Unit, what: 'data' | 'element', offset: number): never {
  const base = what === 'data' ? 'memory_base' : 'table_base';
  refuse(
    unit,
    `its ${what} segment (at offset 0x${offset.toString(16)}) has a place of its own in the program's ${what === 'data' ? 'memory' : 'table'}`,
    `place it relative to (import "patch" "${base}" (global $${base} i32)): (offset (i32.add (global.get $${base}) (i32.const N)))`,
  );
}

function refuse(unit: Unit, what: string, remedy?: string): never {
  const details = { file: unit.file, what };
  throw new WgraftError(
    'WGRAFT_ERR_SOURCE_UNSUPPORTED',
    remedy === undefined ? details : { ...details, remedy },
  );
}
