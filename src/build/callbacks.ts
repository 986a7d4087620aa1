// A patch's callbacks: functions that a source exports under the names of `callbackExports`, which the macros of wgraft.h do in C.

import { WgraftError } from '../errors.ts';
import { type Callbacks, callbackExports, callbackTypes } from '../patch/index.ts';
import { type FuncIndex, funcType, showFuncType } from '../wasm/index.ts';
import { findExport, type Unit } from './unit.ts';

export type CallbackName = keyof Callbacks;

export const callbackNames: readonly CallbackName[] = ['prePatch', 'postPatch', 'preUnpatch', 'postUnpatch'];

/** The callbacks that a unit defines. @throws WGRAFT_ERR_SOURCE_UNSUPPORTED for one of another type, or an import */
export function findCallbacks(unit: Unit): Map<CallbackName, FuncIndex> {
  const found = new Map<CallbackName, FuncIndex>();
  for (const name of callbackNames) {
    const label = callbackExports[name];
    const index = findExport(unit, 'func', label);
    if (index === undefined) continue;
    if (index < unit.module.imported.func) refuse(unit, `its callback "${label}" is an import`);
    const type = showFuncType(funcType(unit.module, index));
    const wanted = callbackTypes[name];
    if (type !== wanted) refuse(unit, `its callback "${label}" has type ${type}, not ${wanted}`);
    found.set(name, index);
  }
  return found;
}

/** @throws WGRAFT_ERR_SOURCE_UNSUPPORTED where two units define the same callback */
export function refuseSecondCallback(
  units: readonly { readonly unit: Unit; readonly callbacks: ReadonlyMap<CallbackName, FuncIndex> }[],
): void {
  for (const name of callbackNames) {
    const [first, second] = units.filter((u) => u.callbacks.has(name));
    if (first !== undefined && second !== undefined)
      refuse(
        second.unit,
        `its callback "${callbackExports[name]}" is the second one, ${first.unit.file} has it too`,
      );
  }
}

function refuse(unit: Unit, what: string): never {
  throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', { file: unit.file, what });
}
