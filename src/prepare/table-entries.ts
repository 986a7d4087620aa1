// Functions that a patch can get to without a guard: nothing but direct calls, which a patch can bring along, and the
// program's own table 0 lead to them, and only the runtime writes that table. Methods of objects are such functions where a
// compiler dispatches through a table that it keeps to itself (Dart, C++ without an exported table).

import { type FuncIndex, segmentAddress, tableContents, type WasmModule } from '../wasm/index.ts';
import { addressTaken, exportedFunctions } from './entries.ts';
import type { Uses } from './uses.ts';

export interface TableEntries {
  /** Indices in table 0, in order. */
  readonly entries: readonly number[];
  /** Code calls the function without the table, too. */
  readonly isCalled: boolean;
}

/**
 * The functions that only table 0 can lead to from outside.
 * @param uses is asked only where such functions are possible: it takes a pass over all code
 */
export function findTableEntries(m: WasmModule, uses: () => Uses): ReadonlyMap<FuncIndex, TableEntries> {
  const found = new Map<FuncIndex, TableEntries>();
  const entriesOf = isPrivate(m) ? entriesByFunction(m) : undefined;
  if (entriesOf === undefined || entriesOf.size === 0) return found;
  const { called, taken, touchesTable } = uses();
  if (touchesTable) return found;
  for (const [f, entries] of entriesOf)
    if (!taken.has(f)) found.set(f, { entries: entries.sort((a, b) => a - b), isCalled: called[f] === 1 });
  return found;
}

/** Where in table 0 a function stands, of those that nothing else names. */
function entriesByFunction(m: WasmModule): Map<FuncIndex, number[]> {
  const entriesOf = new Map<FuncIndex, number[]>();
  for (const [entry, f] of tableContents(m)) {
    if (f === undefined) continue;
    const entries = entriesOf.get(f);
    if (entries === undefined) entriesOf.set(f, [entry]);
    else entries.push(entry);
  }
  for (const f of namedElsewhere(m)) entriesOf.delete(f);
  return entriesOf;
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
