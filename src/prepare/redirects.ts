// Redirects: one function for each type of a function that has a guard.

import {
  emptyBlock,
  type FuncIndex,
  type FuncType,
  funcType,
  type TypeIndex,
  type ValType,
  type WasmModule,
  Writer,
  writeValType,
} from '../wasm/index.ts';
import type { Places, Redirect } from './additions.ts';
import { isGuarded, type Plan } from './plan.ts';

/** By the type, in the order of their indices. The types of `severalResults` stand from `firstBlockType` on. */
export function findRedirects(
  m: WasmModule,
  plan: Plan,
  { first, firstBlockType }: { readonly first: FuncIndex; readonly firstBlockType: TypeIndex },
): Pick<Places, 'redirects' | 'blockTypes'> {
  const types = guardedTypes(m, plan);
  const blockTypes = severalResults(types);
  const typeOf = new Map(blockTypes.map((results, i) => [String(results), firstBlockType + i]));
  const redirects = new Map<TypeIndex, Redirect>();
  for (const [type, { params, results }] of types) {
    const block = new Writer(8);
    const [result] = results;
    if (result === undefined) block.u8(emptyBlock);
    else if (results.length === 1) writeValType(block, result, (index) => index);
    else block.s32(typeOf.get(String(results)) ?? 0);
    redirects.set(type, {
      index: first + redirects.size,
      type,
      params: params.length,
      block: block.toBytes(),
    });
  }
  return { redirects, blockTypes };
}

/** Their results where they are more than one, each list once: a block that leaves them needs a type. */
export function severalResults(types: ReadonlyMap<TypeIndex, FuncType>): (readonly ValType[])[] {
  const found = new Map<string, readonly ValType[]>();
  for (const { results } of types.values()) if (results.length > 1) found.set(String(results), results);
  return [...found.values()];
}

/** The types of functions that have a guard. */
export function guardedTypes(m: WasmModule, plan: Plan): Map<TypeIndex, FuncType> {
  const types = new Map<TypeIndex, FuncType>();
  for (const f of plan.functions) {
    const type = m.functions[f.index] ?? 0;
    if (isGuarded(f) && !types.has(type)) types.set(type, funcType(m, f.index));
  }
  return types;
}
