// What the slot map says of a kernel and of each of its functions.

import { createHash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import type { Engine, SlotMap, SlotMapHeader } from '../patch/index.ts';
import { version } from '../version.ts';
import {
  funcType,
  readBuildId,
  readFunctionNames,
  showFuncType,
  type TypeIndex,
  type WasmModule,
} from '../wasm/index.ts';
import { hashBodies, hashBytes } from './body-hash.ts';
import type { Plan } from './plan.ts';

/** The slot map of a planned kernel. */
export function describe(m: WasmModule, plan: Plan, engine: Engine): SlotMap {
  const names = readFunctionNames(m.bytes, m.sections);
  const exported = new Map(m.exports.filter((e) => e.kind === 'func').map((e) => [e.index, e.name]));
  const hashes = hashBodies(m);
  const types = new Map<TypeIndex, string>();
  const showType = (index: number): string => {
    const type = m.functions[index] ?? 0;
    const shown = types.get(type) ?? showFuncType(funcType(m, index));
    types.set(type, shown);
    return shown;
  };
  const functions = plan.functions.map((f, i) => ({
    index: f.moved,
    original: f.index,
    name: names.get(f.index) ?? exported.get(f.index),
    type: showType(f.index),
    slot: f.slot,
    tableEntries: f.tableEntries,
    reason: f.reason,
    hash: hashes.bytes.subarray(i * hashBytes, (i + 1) * hashBytes),
  }));
  return { ...header(m, plan, engine), hash: hashes.kind, tryBlocks: plan.tryBlocks, functions };
}

function header(m: WasmModule, plan: Plan, engine: Engine): Omit<SlotMapHeader, 'hash' | 'tryBlocks'> {
  const ownId = originalBuildId(m);
  return {
    tool: `wgraft ${version}`,
    engine,
    policy: plan.policy,
    ...(plan.fentry === undefined ? {} : { fentry: plan.fentry.name }),
    original: createHash('sha256').update(m.bytes).digest('hex'),
    ...(ownId === undefined ? {} : { originalBuildId: Buffer.from(ownId).toString('hex') }),
  };
}

/** A damaged `build_id` section is none. */
function originalBuildId(m: WasmModule): Uint8Array | undefined {
  try {
    return readBuildId(m.bytes, m.sections);
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) return undefined;
    throw error;
  }
}
