// A patch as the runtime holds it: read, checked against one program, compiled once for all instances.

import { WgraftError } from '../errors.ts';
import {
  type Manifest,
  type PatchImport,
  type Replacement,
  readPatch,
  type SlotMap,
  showFunction,
} from '../patch/index.ts';
import { engine, type FuncIndex, hasTryBlocks, readModule, type SlotIndex } from '../wasm/index.ts';

export interface LoadedPatch {
  /** Build id, hex. */
  readonly id: string;
  readonly manifest: Manifest;
  readonly module: WebAssembly.Module;
  readonly bySlot: ReadonlyMap<SlotIndex, Replacement>;
  /** Which slot a function of the patch module (by its index) is the replacement for. */
  readonly slotOfFunction: ReadonlyMap<FuncIndex, SlotIndex>;
  /** Imports that are mutable globals, as GOT entries are. */
  readonly mutable: ReadonlySet<PatchImport>;
  readonly functionNames: readonly string[];
  /** See SlotMapHeader.tryBlocks. */
  readonly tryBlocks: boolean;
}

/**
 * Reads a patch. @throws WGRAFT_ERR_NOT_A_PATCH, WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_WASM_INVALID
 */
export function loadPatch(bytes: Uint8Array): LoadedPatch {
  const { id, manifest } = readPatch(bytes);
  const parsed = readModule(bytes);
  const exported = new Map(parsed.exports.filter((e) => e.kind === 'func').map((e) => [e.name, e.index]));
  const mutable = manifest.imports.filter((i) =>
    parsed.imports.some(
      (p) => p.kind === 'global' && p.global.mutable && p.module === i.module && p.name === i.name,
    ),
  );
  const slotOfFunction = manifest.replaces.flatMap((r): [FuncIndex, SlotIndex][] => {
    const index = exported.get(r.export);
    return index === undefined ? [] : [[index, r.slot]];
  });
  return {
    id,
    manifest,
    module: compile(bytes),
    bySlot: new Map(manifest.replaces.map((r) => [r.slot, r])),
    slotOfFunction: new Map(slotOfFunction),
    mutable: new Set(mutable),
    functionNames: manifest.replaces.map(showFunction),
    tryBlocks: hasTryBlocks(parsed),
  };
}

function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new engine.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WgraftError('WGRAFT_ERR_WASM_INVALID', { what: 'the patch', reason }, { cause });
  }
}

/**
 * Run-pre matching: the running functions must be the ones the patch was built from.
 * @throws WGRAFT_ERR_FUNCTION_MISMATCH
 */
export function matchPatch({ manifest }: LoadedPatch, map: SlotMap): void {
  const running = new Map(map.functions.map((f) => [f.index, f]));
  for (const r of manifest.replaces) {
    const f = running.get(r.index);
    refuseDifference(r, 'slot', String(r.slot), String(f?.slot ?? 'none'));
    refuseDifference(r, 'type', r.type, f?.type ?? 'none');
    refuseDifference(r, 'body', r.hash, f === undefined ? 'none' : Buffer.from(f.hash).toString('hex'));
  }
}

/** The error for a patch of another build; where there is one program to compare with, it names the functions that differ. */
export function otherBuild(
  { manifest }: LoadedPatch,
  programs: readonly { readonly buildId: string; readonly map: SlotMap }[],
): WgraftError {
  const [program, second] = programs;
  const running = new Map(second === undefined ? program?.map.functions.map((f) => [f.index, f]) : []);
  const differ = manifest.replaces.filter((r) => {
    const f = running.get(r.index);
    return f?.type !== r.type || Buffer.from(f.hash).toString('hex') !== r.hash;
  });
  return new WgraftError('WGRAFT_ERR_BUILD_ID_MISMATCH', {
    expected: manifest.target.buildId,
    found: programs.map((p) => p.buildId),
    functions: running.size === 0 ? [] : differ.map(showFunction),
  });
}

function refuseDifference(
  r: Replacement,
  what: 'slot' | 'type' | 'body',
  expected: string,
  found: string,
): void {
  if (expected === found) return;
  throw new WgraftError('WGRAFT_ERR_FUNCTION_MISMATCH', { function: showFunction(r), what, expected, found });
}
