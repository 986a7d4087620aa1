// A kernel in, a prepared module out: analyse, plan, let an engine rewrite, finish with slot map and build id.

import { createHash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import {
  type Engine,
  findSlotMap,
  reservedPrefix,
  type SlotlessReason,
  type SlotMap,
  type SlotMapHeader,
  type SlotPolicy,
  slotlessReasons,
  slotsSection,
  writeSlotMap,
} from '../patch/index.ts';
import { version } from '../version.ts';
import {
  buildIdSection,
  funcType,
  readBuildId,
  readFunctionNames,
  readModule,
  showFuncType,
  type WasmModule,
  type Writer,
  writeBuildId,
} from '../wasm/index.ts';
import { hashBody } from './body-hash.ts';
import { findFentry } from './fentry.ts';
import { makePlan, type Plan } from './plan.ts';
import { splice } from './splice.ts';

export interface PrepareOptions {
  /** Which functions get a slot. Default: those that an fentry hook marks, `auto` where there is no hook. */
  readonly slots?: SlotPolicy;
  /** Name of the import (from "env") that marks functions, where it is not one of the usual ones. */
  readonly fentry?: string;
  /** Default `auto`, which is splice; docs/architecture.md says what was measured. */
  readonly engine?: Engine | 'auto';
}

export interface PrepareReport {
  /** Defined functions. */
  readonly functions: number;
  readonly slots: number;
  /** How many functions got no slot, by reason. */
  readonly slotless: Readonly<Partial<Record<SlotlessReason, number>>>;
  readonly policy: SlotPolicy;
  readonly engine: Engine;
  readonly fentry: string | undefined;
  /** Custom sections left out because they would no longer be right. */
  readonly dropped: readonly string[];
  readonly sizeBytes: { readonly before: number; readonly after: number };
  readonly elapsedMs: number;
  /** Build id of the prepared module, hex. */
  readonly buildId: string;
}

export interface Prepared {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly report: PrepareReport;
}

/**
 * Prepares a kernel: gives its functions slots, so that they can be patched while it runs. The same input gives the same bytes.
 * @throws WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_WASM_INVALID, WGRAFT_ERR_ALREADY_PREPARED, WGRAFT_ERR_NAME_RESERVED,
 *   WGRAFT_ERR_FENTRY_UNUSABLE, WGRAFT_ERR_ENGINE_UNSUITABLE
 */
export async function prepare(bytes: Uint8Array, options: PrepareOptions = {}): Promise<Prepared> {
  const began = performance.now();
  const m = readModule(bytes);
  refusePrepared(m);
  await validate(bytes, 'the module');
  const fentry = findFentry(m, options.fentry);
  const policy = options.slots ?? (fentry === undefined ? 'auto' : 'all');
  const plan = makePlan(m, policy, fentry);
  const engine = options.engine === 'binaryen' ? 'binaryen' : 'splice';
  const { out, dropped } = await rewrite(m, plan, engine);
  const map = slotMap(m, plan, { policy, engine });
  const buildId = finish(out, map);
  const prepared = out.toBytes();
  await validate(prepared, 'the prepared module (a bug in wgraft)');
  const report: PrepareReport = {
    functions: plan.functions.length,
    slots: plan.slots,
    slotless: countReasons(plan),
    policy,
    engine,
    fentry: fentry?.name,
    dropped: dropped.filter((name) => name !== buildIdSection),
    sizeBytes: { before: bytes.length, after: prepared.length },
    elapsedMs: performance.now() - began,
    buildId,
  };
  return { bytes: prepared, report };
}

function refusePrepared(m: WasmModule): void {
  const map = findSlotMap(m.bytes);
  if (map !== undefined) throw new WgraftError('WGRAFT_ERR_ALREADY_PREPARED', { tool: map.tool });
  const reserved = m.exports.find((e) => e.name.startsWith(reservedPrefix));
  if (reserved !== undefined) throw new WgraftError('WGRAFT_ERR_NAME_RESERVED', { name: reserved.name });
}

async function validate(bytes: Uint8Array, what: string): Promise<void> {
  const source = bytes as Uint8Array<ArrayBuffer>;
  if (WebAssembly.validate(source)) return;
  // validate() only says no; compiling says why.
  const reason = await WebAssembly.compile(source).then(
    () => 'unknown reason',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  throw new WgraftError('WGRAFT_ERR_WASM_INVALID', { what, reason });
}

async function rewrite(
  m: WasmModule,
  plan: Plan,
  engine: Engine,
): Promise<{ out: Writer; dropped: readonly string[] }> {
  if (engine === 'splice') return splice(m, plan, { guards: true });
  const { rewriteWithBinaryen } = await import('./binaryen-engine.ts');
  return rewriteWithBinaryen(m, plan);
}

function slotMap(m: WasmModule, plan: Plan, how: { policy: SlotPolicy; engine: Engine }): SlotMap {
  const names = readFunctionNames(m.bytes, m.sections);
  const exported = new Map(m.exports.filter((e) => e.kind === 'func').map((e) => [e.index, e.name]));
  const ownId = readBuildId(m.bytes, m.sections);
  const header: SlotMapHeader = {
    tool: `wgraft ${version}`,
    ...how,
    ...(plan.fentry === undefined ? {} : { fentry: plan.fentry.name }),
    original: sha256(m.bytes).toString('hex'),
    ...(ownId === undefined ? {} : { originalBuildId: Buffer.from(ownId).toString('hex') }),
  };
  const functions = plan.functions.map((f) => ({
    index: f.moved,
    original: f.index,
    name: names.get(f.index) ?? exported.get(f.index),
    type: showFuncType(funcType(m, f.index)),
    slot: f.slot,
    reason: f.reason,
    hash: hashBody(m.bytes, f.body),
  }));
  return { ...header, functions };
}

/** Adds the slot map and the build id, which covers everything before it. */
function finish(out: Writer, map: SlotMap): string {
  out.custom(slotsSection, writeSlotMap(map));
  const id = sha256(out.view());
  out.custom(buildIdSection, writeBuildId(id));
  return id.toString('hex');
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function countReasons(plan: Plan): Partial<Record<SlotlessReason, number>> {
  const counts: Partial<Record<SlotlessReason, number>> = {};
  for (const reason of slotlessReasons) {
    const count = plan.functions.filter((f) => f.reason === reason).length;
    if (reason !== '' && count > 0) counts[reason] = count;
  }
  return counts;
}
