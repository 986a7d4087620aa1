// Is an import declared as the program has it? Types of two modules are compared through one TypeTable, in which equal
// types have equal indices.

import { WgraftError } from '../errors.ts';
import {
  funcType,
  type GlobalType,
  type Import,
  type Limits,
  showFuncType,
  type TableType,
  type TypeIndex,
  type TypeTable,
  type ValType,
  type WasmModule,
} from '../wasm/index.ts';
import { showImport } from './binding.ts';
import type { Target } from './target.ts';
import type { Unit } from './unit.ts';

interface Comparison {
  readonly types: TypeTable;
  readonly target: Target;
  readonly unit: Unit;
}

/** True where the function types of two modules are one type. */
export function sameType(
  types: TypeTable,
  [a, typeA]: [WasmModule, TypeIndex],
  [b, typeB]: [WasmModule, TypeIndex],
): boolean {
  return types.add(a, typeA) === types.add(b, typeB);
}

/** @throws WGRAFT_ERR_IMPORT_TYPE where `i` is not declared like item `index` of the program. */
export function checkImportType(c: Comparison, i: Import, index: number): void {
  const m = c.target.module;
  switch (i.kind) {
    case 'func':
    case 'tag': {
      const type = (i.kind === 'func' ? m.functions : m.tags)[index] ?? 0;
      if (!sameType(c.types, [c.unit.module, i.type], [m, type]))
        refuse(c.unit, i, showType(c.unit.module, i.type), showType(m, type));
      return;
    }
    case 'global': {
      const global = m.globals[index];
      const [found, expected] = [showGlobal(c, c.unit.module, i.global), global && showGlobal(c, m, global)];
      if (found !== expected) refuse(c.unit, i, found, expected ?? 'none');
      return;
    }
    case 'table': {
      const table = m.tables[index];
      const [found, expected] = [showTable(c, c.unit.module, i.table), table && showTable(c, m, table)];
      if (found !== expected) refuse(c.unit, i, found, expected ?? 'none');
      return;
    }
    case 'memory': {
      const [found, expected] = [showMemory(i.limits), showMemory(m.memories[index] ?? i.limits)];
      if (found !== expected) refuse(c.unit, i, found, expected);
      return;
    }
  }
}

function refuse(unit: Unit, i: Import, found: string, expected: string): never {
  const details = { import: showImport(i), file: unit.file, found, expected };
  throw new WgraftError('WGRAFT_ERR_IMPORT_TYPE', details);
}

function showType(m: WasmModule, type: TypeIndex): string {
  const entry = m.types[type];
  return entry?.kind === 'func' ? showFuncType(entry) : `type ${type}`;
}

/** A value type with the TypeTable's indices instead of its module's. */
function common(c: Comparison, m: WasmModule, type: ValType): string {
  return type.replace(/\$(\d+)/g, (_, index: string) => `$${c.types.add(m, Number(index))}`);
}

function showGlobal(c: Comparison, m: WasmModule, g: GlobalType): string {
  const type = common(c, m, g.type);
  return g.mutable ? `(mut ${type})` : type;
}

function showTable(c: Comparison, m: WasmModule, t: TableType): string {
  return `a table of ${common(c, m, t.element)}${t.limits.flags & 4 ? ' with 64-bit indices' : ''}`;
}

/** Only what must agree: a patch takes the memory as large as it is. Shared memories differ in their flag alone. */
function showMemory(l: Limits): string {
  return `a ${l.flags & 4 ? '64' : '32'}-bit memory`;
}

/** The type of a function of the program, as messages show it. */
export function showProgramType(target: Target, index: number): string {
  return showFuncType(funcType(target.module, index));
}
