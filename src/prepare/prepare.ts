// A kernel in, a prepared module out: analyse, plan, let an engine rewrite, finish with slot map and build id.

import { createHash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import {
  type Engine,
  findSlotMap,
  reservedPrefix,
  type SlotlessReason,
  type SlotPolicy,
  slotlessReasons,
  slotPolicies,
  slotsSection,
  writeSlotMap,
} from '../patch/index.ts';
import {
  buildIdSection,
  customHeader,
  readModule,
  type WasmModule,
  type Writer,
  engine as webAssembly,
  writeBuildId,
} from '../wasm/index.ts';
import { describe } from './describe.ts';
import { findFentry } from './fentry.ts';
import { checkLimits, checkSize } from './limits.ts';
import { makePlan, type Plan } from './plan.ts';
import { type MovedSourceMap, moveSourceMap, type SourceMapOption, sourceMapSection } from './source-map.ts';
import { type Spliced, splice } from './splice.ts';

export interface PrepareOptions {
  /** Which functions get a slot. Default: those that an fentry hook marks, `auto` where there is no hook. */
  readonly slots?: SlotPolicy;
  /** Name of the import (from "env") that marks functions, where it is not one of the usual ones. */
  readonly fentry?: string;
  /** Default `auto`, which is splice; docs/architecture.md says what was measured. */
  readonly engine?: Engine | 'auto';
  /**
   * Guards also look at a word in a shared memory that the host gives (import "wgraft" "attention"), so that a thread is reached at
   * its function calls where it makes no host call; docs/threads.md says what that costs. Default false.
   */
  readonly attention?: boolean;
  /** The module's source map, where it is a file beside it; one in the module itself needs no mention. Not with `binaryen`. */
  readonly sourceMap?: SourceMapOption;
  /** Is told what happens now, and where that is known how much of it is done (0-1). */
  readonly onProgress?: PrepareProgress;
}

export type PrepareProgress = (phase: string, fraction?: number) => void;

export interface PrepareReport {
  /** Defined functions. */
  readonly functions: number;
  readonly slots: number;
  /** How many of the slots are no guards, but entries of the program's own table. */
  readonly tableSlots: number;
  /** How many functions got no slot, by reason. */
  readonly slotless: Readonly<Partial<Record<SlotlessReason, number>>>;
  readonly policy: SlotPolicy;
  readonly engine: Engine;
  readonly fentry: string | undefined;
  /** Custom sections left out because they would no longer be right. */
  readonly dropped: readonly string[];
  /** Sections of debug information and source maps that were rewritten to stay right. */
  readonly moved: readonly string[];
  readonly sizeBytes: { readonly before: number; readonly after: number };
  readonly elapsedMs: number;
  /** Build id of the prepared module, hex. */
  readonly buildId: string;
}

export interface Prepared {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly report: PrepareReport;
  /** The source map of the prepared module, where one was given: JSON. */
  readonly sourceMap?: string;
}

/**
 * Prepares a kernel: gives its functions slots, so that they can be patched while it runs. The same input gives the same bytes.
 * @throws WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_WASM_INVALID, WGRAFT_ERR_ALREADY_PREPARED, WGRAFT_ERR_NAME_RESERVED,
 *   WGRAFT_ERR_FENTRY_UNUSABLE, WGRAFT_ERR_ENGINE_UNSUITABLE, WGRAFT_ERR_LIMIT_EXCEEDED, WGRAFT_ERR_OPTION_INVALID
 */
export async function prepare(input: Uint8Array, options: PrepareOptions = {}): Promise<Prepared> {
  const began = performance.now();
  const { onProgress = () => {} } = options;
  checkOptions(input, options);
  onProgress('reading');
  const bytes = unshared(input);
  const m = readModule(bytes);
  refusePrepared(m);
  const invalid = await findFault(bytes);
  if (invalid !== undefined)
    throw new WgraftError('WGRAFT_ERR_WASM_INVALID', { what: 'the module', reason: invalid });
  const plan = planFor(m, options);
  const engine = options.engine === 'binaryen' ? 'binaryen' : 'splice';
  onProgress('hashing');
  const map = writeSlotMap(describe(m, plan, engine));
  onProgress('rewriting');
  const { out, dropped, moved, code } = await rewrite(m, plan, {
    engine,
    reserve: finishSize(map),
    onProgress,
  });
  const sourceMap = code === undefined ? undefined : addSourceMap(m, { out, code }, options.sourceMap);
  checkSize(out.length + finishSize(map));
  const buildId = finish(out, map);
  const prepared = out.release();
  onProgress('checking');
  await checkResult(prepared, engine);
  const report: PrepareReport = {
    functions: plan.functions.length,
    slots: plan.slots,
    tableSlots: plan.slots - plan.guards,
    slotless: countReasons(plan),
    policy: plan.policy,
    engine,
    fentry: plan.fentry?.name,
    dropped: dropped.filter(
      (name) => name !== buildIdSection && (name !== sourceMapSection || sourceMap === undefined),
    ),
    moved: sourceMap === undefined ? moved : [...moved, sourceMapSection],
    sizeBytes: { before: bytes.length, after: prepared.length },
    elapsedMs: performance.now() - began,
    buildId,
  };
  return {
    bytes: prepared,
    report,
    ...(sourceMap?.content === undefined ? {} : { sourceMap: sourceMap.content }),
  };
}

/**
 * As `prepare`, at once, for a module that is loaded right now: always with splice, and whoever compiles the result checks it.
 * Undefined where no function of it can have a slot.
 * @throws what `prepare` throws
 */
export function prepareSync(
  input: Uint8Array,
  options: Pick<PrepareOptions, 'slots' | 'fentry'> = {},
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly slots: number } | undefined {
  checkOptions(input, options);
  const bytes = unshared(input);
  const m = readModule(bytes);
  refusePrepared(m);
  if (!webAssembly.validate(bytes))
    throw new WgraftError('WGRAFT_ERR_WASM_INVALID', {
      what: 'the module',
      reason: 'the engine refuses it',
    });
  const plan = planFor(m, options);
  if (plan.slots === 0) return undefined;
  const map = writeSlotMap(describe(m, plan, 'splice'));
  const { out, code } = splice(m, plan, { guards: true, reserve: finishSize(map) });
  addSourceMap(m, { out, code }, undefined);
  checkSize(out.length + finishSize(map));
  finish(out, map);
  return { bytes: out.release(), slots: plan.slots };
}

/** Writes the section that says where the source map is, if there is one. @throws WGRAFT_ERR_OPTION_INVALID */
function addSourceMap(
  m: WasmModule,
  { out, code }: Pick<Spliced, 'out' | 'code'>,
  given: SourceMapOption | undefined,
): MovedSourceMap | undefined {
  const moved = moveSourceMap(m, given, code);
  if (moved !== undefined) out.custom(sourceMapSection, moved.payload);
  return moved;
}

/** @throws WGRAFT_ERR_FENTRY_UNUSABLE, WGRAFT_ERR_LIMIT_EXCEEDED, WGRAFT_ERR_OPTION_INVALID */
function planFor(m: WasmModule, { slots, fentry: name, attention = false, engine }: PrepareOptions): Plan {
  const fentry = findFentry(m, name);
  const plan = makePlan(m, slots ?? (fentry === undefined ? 'auto' : 'all'), fentry, attention);
  if (attention) refuseAttention(m, engine);
  checkLimits(m, plan);
  return plan;
}

const engines: readonly unknown[] = ['auto', 'splice', 'binaryen'];

function checkOptions(input: unknown, { slots, engine, fentry, attention, sourceMap }: PrepareOptions): void {
  const invalid = (option: string, reason: string): never => {
    throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option, reason });
  };
  if (!(input instanceof Uint8Array)) invalid('module', 'it must be a Uint8Array');
  if (slots !== undefined && !slotPolicies.includes(slots))
    invalid('slots', `"${String(slots)}" is not one of ${slotPolicies.join(', ')}`);
  if (engine !== undefined && !engines.includes(engine))
    invalid('engine', `"${String(engine)}" is not one of ${engines.join(', ')}`);
  if (fentry !== undefined && typeof fentry !== 'string') invalid('fentry', 'it must be a name');
  if (attention !== undefined && typeof attention !== 'boolean')
    invalid('attention', 'it must be true or false');
  if (sourceMap === undefined) return;
  if (typeof sourceMap?.content !== 'string' || typeof sourceMap.url !== 'string')
    invalid('sourceMap', 'it must have a content and a url');
  if (engine === 'binaryen') invalid('sourceMap', 'the binaryen engine moves code in ways that nobody knows');
}

/** Engines take no shared memory as a module's bytes, and another thread could change it underneath. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, length) : new Uint8Array(bytes);
}

function refusePrepared(m: WasmModule): void {
  const map = findSlotMap(m.bytes);
  if (map !== undefined) throw new WgraftError('WGRAFT_ERR_ALREADY_PREPARED', { tool: map.tool });
  const reserved = m.exports.find((e) => e.name.startsWith(reservedPrefix));
  if (reserved !== undefined) throw new WgraftError('WGRAFT_ERR_NAME_RESERVED', { name: reserved.name });
}

/** Why the engine refuses a module; undefined where it does not. */
async function findFault(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  if (webAssembly.validate(bytes)) return undefined;
  // validate() only says no; compiling says why.
  return webAssembly.compile(bytes).then(
    () => 'unknown reason',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

async function checkResult(prepared: Uint8Array<ArrayBuffer>, engine: Engine): Promise<void> {
  const reason = await findFault(prepared);
  if (reason === undefined) return;
  if (engine === 'binaryen')
    throw new WgraftError('WGRAFT_ERR_ENGINE_UNSUITABLE', { engine, reason: `it wrote ${reason}` });
  throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `the prepared module is not valid: ${reason}` });
}

interface RewriteOptions {
  readonly engine: Engine;
  readonly reserve: number;
  readonly onProgress: PrepareProgress;
}

async function rewrite(
  m: WasmModule,
  plan: Plan,
  { engine, reserve, onProgress }: RewriteOptions,
): Promise<Pick<Spliced, 'out' | 'dropped' | 'moved'> & Partial<Pick<Spliced, 'code'>>> {
  if (engine === 'splice') return splice(m, plan, { guards: true, reserve });
  const { rewriteWithBinaryen } = await import('./binaryen-engine.ts');
  return { ...(await rewriteWithBinaryen(m, plan, onProgress)), moved: [] };
}

/** The memory of the attention word comes last of the imported ones, and must not move others. */
function refuseAttention(m: WasmModule, engine: PrepareOptions['engine']): void {
  const invalid = (reason: string): never => {
    throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'attention', reason });
  };
  if (engine === 'binaryen') invalid('the binaryen engine does not have it');
  if (m.memories.length > m.imported.memory)
    invalid('the program has a memory of its own; one with threads imports its memory');
}

const hashBytes = 32;

/** How many bytes `finish` adds. */
function finishSize(map: Uint8Array): number {
  const id = 1 + hashBytes;
  return (
    customHeader(slotsSection, map.length).length + map.length + customHeader(buildIdSection, id).length + id
  );
}

/** Adds the slot map and the build id, which covers everything before it. */
function finish(out: Writer, map: Uint8Array): string {
  out.custom(slotsSection, map);
  const id = createHash('sha256').update(out.view()).digest();
  out.custom(buildIdSection, writeBuildId(id));
  return id.toString('hex');
}

function countReasons(plan: Plan): Partial<Record<SlotlessReason, number>> {
  const counts: Partial<Record<SlotlessReason, number>> = {};
  for (const reason of slotlessReasons) {
    const count = plan.functions.filter((f) => f.reason === reason).length;
    if (reason !== '' && count > 0) counts[reason] = count;
  }
  return counts;
}
