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

/** The functions that only table 0 can lead to from outside, with their entries in it, in order. */
export function findTableEntries(m: WasmModule): ReadonlyMap<FuncIndex, readonly number[]> {
  const found = new Map<FuncIndex, number[]>();
  if (!isPrivate(m)) return found;
  for (const [entry, f] of tableContents(m)) {
    if (f === undefined) continue;
    const entries = found.get(f);
    if (entries === undefined) found.set(f, [entry]);
    else entries.push(entry);
  }
  for (const f of namedElsewhere(m)) found.delete(f);
  if (found.size > 0 && changesInCode(m, found)) found.clear();
  for (const entries of found.values()) entries.sort((a, b) => a - b);
  return found;
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
  op.refFunc,
  op.tableGet,
  op.tableSet,
  op.tableInit,
  op.tableCopy,
  op.tableGrow,
  op.tableFill,
);

/** Takes functions out that code takes a reference to. @returns true where code reads or writes table 0 as such. */
function changesInCode(m: WasmModule, found: Map<FuncIndex, unknown>): boolean {
  return scan(m, references, ({ opcode, index }) => {
    // Of these two the first index is not the table's, or not the only one.
    if (opcode === op.tableInit || opcode === op.tableCopy) return true;
    if (opcode !== op.refFunc) return index === 0;
    found.delete(index);
    return false;
  });
}
