// An instance of a prepared module, with its slots in the hand of the test: nothing of the runtime is in between.

import {
  findSlotMap,
  preparedExports,
  reservedExport,
  type SlotMap,
  type SlotMapFunction,
} from '../../src/patch/index.ts';
import type { Exports } from './kernels.ts';

export interface Slotted {
  readonly exports: Exports;
  readonly map: SlotMap;
  /** The function of that name or prepared index. */
  find(function_: string | number): SlotMapFunction;
  /** The function itself, as `__wgraft_fill` gives it. */
  take(function_: string | number): Callable;
  /** Sends calls of a function to another one; null sends them home. Not direct calls of one whose slot is in the table. */
  redirect(function_: string | number, to: Callable | null): void;
}

export type Callable = (...values: never[]) => unknown;

export async function slotted(
  bytes: Uint8Array<ArrayBuffer>,
  imports: WebAssembly.Imports = {},
): Promise<Slotted> {
  const map = findSlotMap(bytes);
  if (map === undefined) throw new Error('not a prepared module');
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  // What the slot map says is there; a wrong type fails at its first use.
  const exports = instance.exports as Exports;
  const table: WebAssembly.Table = exports[preparedExports.slots];
  const find = (wanted: string | number): SlotMapFunction => {
    const found = map.functions.find((f) => f.name === wanted || f.index === wanted);
    if (found === undefined) throw new Error(`no function ${wanted}`);
    return found;
  };
  const take = (wanted: string | number): Callable => {
    exports[preparedExports.fill](0, find(wanted).index);
    return table.get(0);
  };
  const slotOf = (wanted: string | number): number => {
    const { slot } = find(wanted);
    if (slot === undefined) throw new Error(`${wanted} has no slot`);
    return slot;
  };
  return {
    exports,
    map,
    find,
    take,
    redirect(wanted, to) {
      const { tableEntries } = find(wanted);
      for (const entry of tableEntries) exports[reservedExport('table', 0)].set(entry, to ?? take(wanted));
      if (tableEntries.length > 0) return;
      exports[preparedExports.set](slotOf(wanted), to === null ? 0 : table.grow(1, to));
    },
  };
}
