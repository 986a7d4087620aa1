// A patch as the runtime holds it: read, checked against one program, compiled once for all instances.

import { WgraftError } from '../errors.ts';
import {
  type BodyHash,
  type Manifest,
  type PatchImport,
  type Replacement,
  readPatch,
  type SlotMap,
  type SlotMapFunction,
  showFunction,
} from '../patch/index.ts';
import {
  engine,
  type FuncIndex,
  type GlobalType,
  hasTryBlocks,
  importKey,
  readModule,
  type SlotIndex,
} from '../wasm/index.ts';

export interface LoadedPatch {
  /** Build id, hex. */
  readonly id: string;
  readonly manifest: Manifest;
  readonly module: WebAssembly.Module;
  readonly bySlot: ReadonlyMap<SlotIndex, Replacement>;
  /** Of which slot a function of the patch module (by its index) is the replacement, or a copy of the original. */
  readonly slotOfFunction: ReadonlyMap<FuncIndex, SlotIndex>;
  /** Of the imports that are globals: as what the patch declares them. */
  readonly globals: ReadonlyMap<PatchImport, GlobalType>;
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
  const types = new Map(
    parsed.imports.flatMap((i): [string, GlobalType][] =>
      i.kind === 'global' ? [[importKey(i), i.global]] : [],
    ),
  );
  const globals = manifest.imports.flatMap((i): [PatchImport, GlobalType][] => {
    const type = types.get(importKey(i));
    return type === undefined ? [] : [[i, type]];
  });
  const slotOfFunction = manifest.replaces.flatMap((r) =>
    [r.export, r.original ?? r.export].flatMap((name): [FuncIndex, SlotIndex][] => {
      const index = exported.get(name);
      return index === undefined ? [] : [[index, r.slot]];
    }),
  );
  return {
    id,
    manifest,
    module: compile(bytes),
    bySlot: new Map(manifest.replaces.map((r) => [r.slot, r])),
    slotOfFunction: new Map(slotOfFunction),
    globals: new Map(globals),
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
 * Run-pre matching: the running functions that the patch replaces, calls or takes the address of must be those that it was
 * built from.
 * @throws WGRAFT_ERR_FUNCTION_MISMATCH
 */
export function matchPatch({ manifest }: LoadedPatch, map: SlotMap): void {
  const running = byIndex(map);
  for (const r of manifest.replaces) {
    const f = running.get(r.index);
    refuseDifference(r, 'slot', String(r.slot), String(f?.slot ?? 'none'));
    refuseDifference(r, 'type', r.type, f?.type ?? 'none');
  }
  for (const known of knownBodies(manifest))
    refuseDifference(known, 'body', known.hash, bodyHash(running.get(known.index)));
}

/** The error for a patch of another build; where there is one program to compare with, it names the functions that differ. */
export function otherBuild(
  { manifest }: LoadedPatch,
  programs: readonly { readonly buildId: string; readonly map: SlotMap }[],
): WgraftError {
  const [program, second] = programs;
  const running = second === undefined && program !== undefined ? byIndex(program.map) : undefined;
  const types = new Map(manifest.replaces.map((r) => [r.index, r.type]));
  const differ = knownBodies(manifest).filter(({ index, hash }) => {
    const f = running?.get(index);
    return bodyHash(f) !== hash || (types.get(index) ?? f?.type) !== f?.type;
  });
  return new WgraftError('WGRAFT_ERR_BUILD_ID_MISMATCH', {
    expected: manifest.target.buildId,
    found: programs.map((p) => p.buildId),
    functions: running === undefined ? [] : differ.map(showFunction),
  });
}

interface KnownBody {
  readonly index: FuncIndex;
  readonly name: string | undefined;
  readonly hash: BodyHash;
}

/** The bodies that the patch was built from: of what it replaces, then of what it uses, each once. */
function knownBodies({ replaces, imports, memory }: Manifest): KnownBody[] {
  const used = [
    ...imports.filter((i) => i.from === 'func' || i.from === 'function-address'),
    ...(memory?.allocator.kind === 'function' ? [memory.allocator] : []),
  ];
  const known = new Map<FuncIndex, KnownBody>(replaces.map((r) => [r.index, r]));
  for (const { index, name, hash } of used) {
    // An import is called what it stands for: a function's address `&name`.
    if (hash !== undefined && !known.has(index))
      known.set(index, { index, name: name?.replace(/^&/, ''), hash });
  }
  return [...known.values()];
}

function byIndex(map: SlotMap): Map<FuncIndex, SlotMapFunction> {
  return new Map(map.functions.map((f) => [f.index, f]));
}

function bodyHash(f: SlotMapFunction | undefined): string {
  return f === undefined ? 'none' : Buffer.from(f.hash).toString('hex');
}

function refuseDifference(
  f: { readonly index: FuncIndex; readonly name: string | undefined },
  what: 'slot' | 'type' | 'body',
  expected: string,
  found: string,
): void {
  if (expected === found) return;
  throw new WgraftError('WGRAFT_ERR_FUNCTION_MISMATCH', { function: showFunction(f), what, expected, found });
}
