// Units in, a patch file out: lay them out, link what is needed, write the module and its manifest.

import { WgraftError } from '../errors.ts';
import {
  type Allocator,
  allocates,
  type Callbacks,
  type ImportSource,
  isPatchName,
  type Manifest,
  type MemoryNeed,
  type PatchMetadata,
  type Replacement,
  writePatch,
} from '../patch/index.ts';
import { version } from '../version.ts';
import { TypeTable } from '../wasm/index.ts';
import { type AllocatorChoice, chooseAllocator } from './allocator.ts';
import type { CompiledUnit } from './compile.ts';
import { emit, number } from './emit.ts';
import type { NamedImport } from './items.ts';
import { Linker, type LinkResult } from './link.ts';
import { type Extent, layOut } from './link-units.ts';
import { bringOriginals } from './originals.ts';
import type { ProgramData } from './program-data.ts';
import { isRedirected, type RedirectedFunction, type ReplacedFunction } from './replaced.ts';
import { type BuildReport, makeReport, noteDuplicates } from './report.ts';
import { type PatchRules, writtenRules } from './rules.ts';
import type { Target } from './target.ts';

export interface BuiltPatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly manifest: Manifest;
  readonly report: BuildReport;
}

export interface Parts {
  readonly target: Target;
  readonly replaced: readonly ReplacedFunction[];
  readonly units: readonly CompiledUnit[];
  readonly data: ProgramData;
  readonly name: string;
  readonly metadata?: PatchMetadata;
  readonly allocator?: AllocatorChoice;
  readonly allowImports: readonly string[];
  readonly rules: PatchRules;
  /** When the build began, performance.now(). */
  readonly began: number;
  /** What the author should know besides. */
  readonly notes?: readonly string[];
}

/** @throws WGRAFT_ERR_OPTION_INVALID for a name that no patch can have */
export function checkName(name: string): void {
  if (isPatchName(name)) return;
  const reason = `"${name}" is not at most 64 of A-Z a-z 0-9 . _ -`;
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'name', reason });
}

/** @throws what `buildPatch` throws of layout, imports and memory */
export async function assemble(parts: Parts): Promise<BuiltPatch> {
  const { target, replaced, data, allowImports, began } = parts;
  const types = new TypeTable();
  const replacedIndices = new Set(replaced.map((r) => r.index));
  const originals = bringOriginals(target, parts.units, replacedIndices);
  const units = originals === undefined ? parts.units : [...parts.units, originals];
  const layout = layOut({ target, types, data, allowImports, replaced: replacedIndices }, units);
  const linked = new Linker(target, types, layout.linkUnits).link();
  const imports = number(linked.assembly);
  const module = emit(linked.assembly, imports, types, {
    memorySize: layout.memory.sizeBytes,
    memoryAlignment: Math.log2(layout.memory.alignBytes),
    tableSize: linked.tableSize,
    tableAlignment: 0,
  });
  await validate(module);

  const redirected = replaced.filter(isRedirected);
  const exports = new Map(linked.replacements.map((r) => [r.index, r.export]));
  const copies = new Map(linked.originals.map((r) => [r.index, r.export]));
  const manifest: Manifest = {
    format: 1,
    name: parts.name,
    target: { buildId: target.buildId },
    replaces: redirected.map((f) => replacement(f, exports.get(f.index) ?? '', copies.get(f.index))),
    imports: imports.map(({ module: from, name, source }: NamedImport) => ({
      module: from,
      name,
      ...withBodyHash(target, source),
    })),
    ...memoryNeed(target, layout.memory, imports, parts.allocator),
    ...(linked.tableSize === 0 ? {} : { table: { size: linked.tableSize } }),
    ...callbacksOf(linked),
    ...writtenRules(parts.rules),
    metadata: parts.metadata ?? {},
  };
  const patch = writePatch(module, manifest, { name: 'wgraft', version });
  const notes = [...(parts.notes ?? []), ...noteDuplicates(target, layout.linkUnits, linked, data)];
  const report = makeReport(patch, redirected, linked, { notes, elapsedMs: performance.now() - began });
  return { bytes: patch.module, manifest: patch.manifest, report };
}

function replacement(
  { index, slot, entry, unchanged }: RedirectedFunction,
  exported: string,
  original: string | undefined,
): Replacement {
  const { name, type, hash } = entry;
  return {
    index,
    name,
    slot,
    type,
    hash: hex(hash),
    export: exported,
    ...(original === undefined ? {} : { original }),
    ...(unchanged === undefined ? {} : { unchanged }),
  };
}

/** Of what a patch calls, or takes the address of, the body: run-pre matching covers it, too. */
function withBodyHash<T extends ImportSource | Allocator>({ functions }: Target, source: T): T {
  const names = 'from' in source ? source.from : source.kind;
  const isFunction = names === 'func' || names === 'function-address' || names === 'function';
  const entry = isFunction && 'index' in source ? functions.get(source.index) : undefined;
  return entry === undefined ? source : { ...source, hash: hex(entry.hash) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function memoryNeed(
  target: Target,
  memory: Extent,
  imports: readonly NamedImport[],
  choice: AllocatorChoice | undefined,
): { memory?: MemoryNeed } {
  const shadows = imports.some(({ source }) => source.from === 'shadow' && allocates(source.operation));
  if (memory.sizeBytes === 0 && !shadows) return {};
  const allocator = withBodyHash(target, chooseAllocator(target, memory.sizeBytes, choice));
  return { memory: { ...memory, allocator } };
}

function callbacksOf({ callbacks }: LinkResult): { callbacks?: Callbacks } {
  if (callbacks.length === 0) return {};
  return { callbacks: Object.fromEntries(callbacks.map((c) => [c.name, c.export])) };
}

/** What the parsers and the compiler let pass, the engine may still refuse: the author's mistake, or a bug of ours. */
async function validate(module: Uint8Array<ArrayBuffer>): Promise<void> {
  if (WebAssembly.validate(module)) return;
  const reason = await WebAssembly.compile(module).then(
    () => 'unknown reason',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  throw new WgraftError('WGRAFT_ERR_WASM_INVALID', { what: 'the patch module', reason });
}
