// Functions that a patch can get to without a guard in front of them: nothing but direct calls, which a patch can bring along, and the
// program's own table 0 lead to them, and only the runtime writes that table. Methods of objects are such functions where a
// compiler dispatches through a table that it keeps to itself (Dart, C++ without an exported table).

import {
  type FuncIndex,
  op,
  scan,
  segmentAddress,
  tableContents,
  type WasmModule,
  wanted,
} from '../wasm/index.ts';
import { addressTaken, exportedFunctions } from './entries.ts';

export interface TableEntries {
  /** Indices in table 0, in order. */
  readonly entries: readonly number[];
  /** Code calls the function without the table, too. */
  readonly isCalled: boolean;
}

/** The functions that only table 0 can lead to from outside. */
export function findTableEntries(m: WasmModule): ReadonlyMap<FuncIndex, TableEntries> {
  const entriesOf = new Map<FuncIndex, number[]>();
  if (isPrivate(m)) {
    for (const [entry, f] of tableContents(m)) {
      if (f === undefined) continue;
      const entries = entriesOf.get(f);
      if (entries === undefined) entriesOf.set(f, [entry]);
      else entries.push(entry);
    }
  }
  for (const f of namedElsewhere(m)) entriesOf.delete(f);
  const called = entriesOf.size === 0 ? undefined : calledFunctions(m, entriesOf);
  if (called === undefined) return new Map();
  return new Map(
    [...entriesOf].map(([f, entries]) => [
      f,
      { entries: entries.sort((a, b) => a - b), isCalled: called.has(f) },
    ]),
  );
}

/** Nobody outside has table 0, its entries are where the module says, and JavaScript can write functions to it. */
function isPrivate(m: WasmModule): boolean {
  const [table] = m.tables;
  if (table === undefined || m.imported.table > 0 || table.init !== undefined) return false;
  if (table.element !== 'funcref' || (table.limits.flags & is64) !== 0) return false;
  if (m.exports.some(({ kind, index }) => kind === 'table' && index === 0)) return false;
  return isOfTable0(m).every((segment) => segmentAddress(m, segment) !== undefined);
}

const is64 = 4;

function isOfTable0(m: WasmModule): WasmModule['elements'] {
  return m.elements.filter(({ mode, table }) => mode === 'active' && table === 0);
}

/** Functions that something else than a call or table 0 names. */
function namedElsewhere(m: WasmModule): Set<FuncIndex> {
  const inTable = new Set(isOfTable0(m));
  const elsewhere = addressTaken({ ...m, elements: m.elements.filter((segment) => !inTable.has(segment)) });
  for (const f of exportedFunctions(m)) elsewhere.add(f);
  if (m.start !== undefined) elsewhere.add(m.start);
  return elsewhere;
}

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
);

/**
 * Which functions code calls; takes those out of `found` that it takes a reference to. Undefined where it reads or writes table 0 as
 * such.
 */
function calledFunctions(m: WasmModule, found: Map<FuncIndex, unknown>): Set<FuncIndex> | undefined {
  const called = new Set<FuncIndex>();
  const changes = scan(m, references, ({ opcode, index }) => {
    switch (opcode) {
      case op.call:
      case op.returnCall:
        called.add(index);
        return false;
      case op.refFunc:
        found.delete(index);
        return false;
      case op.tableInit:
      case op.tableCopy:
        // The first index is not the table's, or not the only one.
        return true;
      default:
        return index === 0;
    }
  });
  return changes ? undefined : called;
}
