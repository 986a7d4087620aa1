// Functions that a patch may import from the runtime, under names of the import module "patch": shadow variables, system states.

import { WgraftError } from '../errors.ts';
import { type ImportSource, shadowTypes, stateTypes } from '../patch/index.ts';
import { type Import, showFuncType } from '../wasm/index.ts';
import { type Binding, showImport } from './binding.ts';
import type { Unit } from './unit.ts';

type RuntimeSource = Extract<ImportSource, { from: 'shadow' | 'state' }>;

const functions: ReadonlyMap<string, RuntimeSource> = new Map<string, RuntimeSource>([
  ['shadow_get', { from: 'shadow', operation: 'get' }],
  ['shadow_alloc', { from: 'shadow', operation: 'alloc' }],
  ['shadow_get_or_alloc', { from: 'shadow', operation: 'getOrAlloc' }],
  ['shadow_free', { from: 'shadow', operation: 'free' }],
  ['shadow_free_all', { from: 'shadow', operation: 'freeAll' }],
  ['state_get', { from: 'state', operation: 'get' }],
  ['state_previous', { from: 'state', operation: 'previous' }],
]);

export const runtimeFunctionNames: readonly string[] = [...functions.keys()];

/** The runtime function of that name, undefined if there is none. @throws WGRAFT_ERR_IMPORT_TYPE */
export function runtimeFunction(unit: Unit, i: Import): Binding | undefined {
  const source = functions.get(i.name);
  if (source === undefined) return undefined;
  const expected = source.from === 'shadow' ? shadowTypes[source.operation] : stateTypes[source.operation];
  const found = showType(unit, i);
  if (found !== expected)
    throw new WgraftError('WGRAFT_ERR_IMPORT_TYPE', {
      import: showImport(i),
      file: unit.file,
      found,
      expected,
      owner: 'runtime',
    });
  return { kind: 'import', source, label: i.name };
}

function showType(unit: Unit, i: Import): string {
  if (i.kind !== 'func') return i.kind;
  const entry = unit.module.types[i.type];
  return entry?.kind === 'func' ? showFuncType(entry) : `type ${i.type}`;
}
