// What engines refuse: the limits that the JavaScript API for WebAssembly fixes for all of them. A kernel that is valid
// may come so near to one that the additions would not fit; that is said before anything is written.

import { WgraftError } from '../errors.ts';
import { globalOffer } from '../patch/index.ts';
import type { WasmModule } from '../wasm/index.ts';
import { addedCount, ownExports, ownGlobals, ownTypes } from './additions.ts';
import type { Plan } from './plan.ts';
import { guardedTypes, severalResults } from './redirects.ts';

const limits = {
  types: 1_000_000,
  functions: 1_000_000,
  tables: 100_000,
  globals: 1_000_000,
  exports: 1_000_000,
};
const moduleBytesLimit = 2 ** 30;

/** Checks what the prepared module will declare. @throws WGRAFT_ERR_LIMIT_EXCEEDED */
export function checkLimits(m: WasmModule, plan: Plan): void {
  const redirects = guardedTypes(m, plan);
  const exported = m.globals.filter((g) => globalOffer(g, m.types) === 'export');
  const reserved = m.memories.length + m.tables.length + m.tags.length + exported.length;
  const counts: Record<keyof typeof limits, number> = {
    types: m.types.length + ownTypes(plan) + severalResults(redirects).length,
    functions: m.functions.length - (plan.fentry?.removed.size ?? 0) + addedCount(plan, redirects.size),
    tables: m.tables.length + 1,
    globals: m.globals.length + plan.guards + ownGlobals,
    exports: m.exports.length + ownExports(plan) + reserved,
  };
  for (const what of Object.keys(limits) as (keyof typeof limits)[])
    if (counts[what] > limits[what]) refuse(what, counts[what], limits[what]);
}

/** @throws WGRAFT_ERR_LIMIT_EXCEEDED */
export function checkSize(bytes: number): void {
  if (bytes > moduleBytesLimit) refuse('bytes', bytes, moduleBytesLimit);
}

function refuse(what: string, count: number, limit: number): never {
  throw new WgraftError('WGRAFT_ERR_LIMIT_EXCEEDED', { what, count, limit });
}
