// Lays the units of a patch out side by side in the program's memory and table, finds their replacement functions, and checks
// that each has the type of what it replaces.

import { WgraftError } from '../errors.ts';
import { type FuncIndex, funcType, type GlobalIndex, type Import, showFuncType } from '../wasm/index.ts';
import type { Binding } from './binding.ts';
import { findCallbacks, refuseSecondCallback } from './callbacks.ts';
import type { CompiledUnit } from './compile.ts';
import { isEmpty } from './data-function.ts';
import { sameType } from './import-types.ts';
import type { LinkUnit } from './link.ts';
import { placeUnit, type Space } from './placement.ts';
import type { ReplacedFunction } from './replaced.ts';
import { type Resolution, resolveImport } from './resolve.ts';
import { findExport, findReplacement, type Unit } from './unit.ts';

export interface Extent {
  readonly sizeBytes: number;
  readonly alignBytes: number;
}

export interface Layout {
  readonly linkUnits: readonly LinkUnit[];
  readonly memory: Extent;
}

/** @throws WGRAFT_ERR_REPLACEMENT_MISSING, WGRAFT_ERR_SIGNATURE_CHANGED, WGRAFT_ERR_SOURCE_UNSUPPORTED, and what imports can be */
export function layOut(resolution: Resolution, units: readonly CompiledUnit[]): Layout {
  const linkUnits: LinkUnit[] = [];
  let [memoryOffset, tableOffset, alignBytes] = [0, 0, 1];
  for (const { unit, replaced } of units) {
    refuseStart(unit);
    const bind = binder(resolution, unit);
    // A side module imports what wasm-ld might need; WAT imports what its author wants, so all of it must be right.
    if (unit.kind !== 'c') unit.module.imports.forEach(bind);
    const space = spaceOf(unit, bind);
    const placement = placeUnit(space);
    memoryOffset = Math.ceil(memoryOffset / placement.alignment) * placement.alignment;
    const replacements = findReplacements(resolution, unit, replaced);
    const callbacks = findCallbacks(unit);
    linkUnits.push({ ...space, placement, memoryOffset, tableOffset, replacements, callbacks, bind });
    memoryOffset += placement.memorySize;
    tableOffset += placement.entries.length;
    if (placement.memorySize > 0) alignBytes = Math.max(alignBytes, placement.alignment);
  }
  refuseSecondCallback(linkUnits);
  return { linkUnits, memory: { sizeBytes: memoryOffset, alignBytes } };
}

/** Resolves each import once. */
function binder(resolution: Resolution, unit: Unit): (i: Import) => Binding {
  const bound = new Map<Import, Binding>();
  return (i) => {
    const binding = bound.get(i) ?? resolveImport(resolution, unit, i);
    bound.set(i, binding);
    return binding;
  };
}

function spaceOf(unit: Unit, bind: (i: Import) => Binding): Space {
  const binding = (kind: Import['kind'], index: number): Binding | undefined => {
    const found = unit.module.importsOf[kind][index];
    return found && bind(found);
  };
  return {
    unit,
    globalBinding: (index: GlobalIndex) => binding('global', index),
    isProgram: (kind, index) => {
      const found = binding(kind, index);
      return found?.kind === 'import' && found.source.from === kind;
    },
  };
}

function findReplacements(
  r: Resolution,
  unit: Unit,
  replaced: readonly ReplacedFunction[],
): Map<FuncIndex, FuncIndex> {
  const found = new Map<FuncIndex, FuncIndex>();
  for (const f of replaced) {
    const own = findReplacement(unit, f.labels, replaced.length === 1);
    const types = [unit.module.functions[own] ?? 0, r.target.module.functions[f.index] ?? 0] as const;
    if (!sameType(r.types, [unit.module, types[0]], [r.target.module, types[1]])) {
      throw new WgraftError('WGRAFT_ERR_SIGNATURE_CHANGED', {
        function: f.name,
        expected: showFuncType(funcType(r.target.module, f.index)),
        found: showFuncType(funcType(unit.module, own)),
        file: f.file,
      });
    }
    if (found.has(own))
      unsupported(unit, `its function for "${f.name}" already replaces another of the program's functions`);
    found.set(own, f.index);
  }
  return found;
}

/** A side module's start function only sets up its memory, which `__wgraft_data` lets it do; its constructors run never. */
function refuseStart(unit: Unit): void {
  if (unit.kind === 'wat') {
    if (unit.module.start !== undefined)
      unsupported(
        unit,
        'it has a start function; nothing of a patch runs before the program calls a replaced function',
      );
    return;
  }
  const constructors = findExport(unit, 'func', '__wasm_call_ctors');
  if (constructors !== undefined && !isEmpty(unit, constructors))
    unsupported(
      unit,
      'it has constructors; nothing of a patch runs before the program calls a replaced function',
    );
}

function unsupported(unit: Unit, what: string): never {
  throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', { file: unit.file, what });
}
