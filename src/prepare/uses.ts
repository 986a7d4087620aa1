// What code itself says: who calls what, what it does with functions besides calling them, whether it has try blocks. One pass over
// all code answers for everybody who asks.

import { type FuncIndex, op, scan, type WasmModule, wanted } from '../wasm/index.ts';

export interface Uses {
  /** By function: the only other function that calls it directly, or `none`, or `several`. */
  readonly callers: Int32Array;
  /** By function: 1 where code calls it directly, be it itself. */
  readonly called: Uint8Array;
  /** The functions that code takes a reference to. */
  readonly taken: ReadonlySet<FuncIndex>;
  /** Code reads or writes table 0 as such. */
  readonly touchesTable: boolean;
  /** See SlotMapHeader.tryBlocks. */
  readonly tryBlocks: boolean;
}

export const none = -1;
export const several = -2;

const references = wanted(
  op.call,
  op.returnCall,
  op.refFunc,
  op.tableGet,
  op.tableSet,
  op.tableInit,
  op.tableCopy,
  op.tableGrow,
  op.tableFill,
  op.try,
  op.tryTable,
);

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function findUses(m: WasmModule): Uses {
  const callers = new Int32Array(m.functions.length).fill(none);
  const called = new Uint8Array(m.functions.length);
  const taken = new Set<FuncIndex>();
  let [touchesTable, tryBlocks] = [false, false];
  scan(m, references, ({ opcode, index }, caller) => {
    switch (opcode) {
      case op.call:
      case op.returnCall:
        called[index] = 1;
        if (caller !== index && callers[index] !== caller)
          callers[index] = callers[index] === none ? caller : several;
        break;
      case op.refFunc:
        taken.add(index);
        break;
      case op.try:
      case op.tryTable:
        tryBlocks = true;
        break;
      case op.tableInit:
      case op.tableCopy:
        // The first index is not the table's, or not the only one.
        touchesTable = true;
        break;
      default:
        touchesTable ||= index === 0;
    }
    return false;
  });
  return { callers, called, taken, touchesTable, tryBlocks };
}
