// The patch file (.wgp): a core module, its manifest, and a build id that covers every other byte.
//
//   patch := header dylink.0? sections… name? wgraft.patch producers build_id(SHA-256 of all bytes outside this section)
//
// Reading trusts nothing: the runtime calls it with what came over a socket.

import { createHash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import {
  buildIdSection,
  type Export,
  findCustom,
  funcType,
  type Import,
  importKey,
  readBuildId,
  readModule,
  readSections,
  type Section,
  showFuncType,
  type WasmModule,
  Writer,
  writeBuildId,
} from '../wasm/index.ts';
import { patchDataExport, patchSection, patchTableExport } from './layout.ts';
import { callbackTypes, shadowTypes, stateTypes } from './livepatch-imports.ts';
import type { Callbacks, ImportSource, Manifest, PatchImport } from './manifest.ts';
import { readManifest, writeManifest } from './manifest-json.ts';

/** Larger files are refused before a byte of them is looked at. */
export const patchSizeLimitBytes: number = 64 * 1024 * 1024;

export interface PatchFile {
  /** Build id, hex: what identifies the patch. */
  readonly id: string;
  readonly manifest: Manifest;
  /** For `new WebAssembly.Module`. */
  readonly module: Uint8Array<ArrayBuffer>;
}

/**
 * Writes a patch file. The same module and manifest give the same bytes.
 * @param module a core module without custom sections of these names
 * @throws WGRAFT_ERR_NOT_A_PATCH where module and manifest do not belong together
 */
export function writePatch(
  module: Uint8Array,
  manifest: Manifest,
  tool: { name: string; version: string },
): PatchFile {
  const out = new Writer(module.length + 4096).raw(module).custom(patchSection, writeManifest(manifest));
  out.custom('producers', producers(tool));
  out.custom(buildIdSection, writeBuildId(sha256([out.view()])));
  return readPatch(out.toBytes());
}

/** Reads and checks a patch file. @throws WGRAFT_ERR_NOT_A_PATCH, WGRAFT_ERR_WASM_MALFORMED */
export function readPatch(bytes: Uint8Array): PatchFile {
  if (bytes.length > patchSizeLimitBytes)
    refuse(`${bytes.length} bytes are more than a patch may have (${patchSizeLimitBytes / 1024 / 1024} MiB)`);
  const sections = readSections(bytes);
  const section = findCustom(sections, patchSection);
  if (section === undefined) refuse(`it has no section "${patchSection}"`);
  const id = checkBuildId(bytes, sections);
  const manifest = readManifest(bytes.subarray(section.payload, section.end));
  const m = readModule(bytes);
  checkPassive(m);
  checkImports(m, manifest);
  checkExports(m, manifest);
  // A view on an ArrayBuffer is what WebAssembly.Module takes; bytes on a SharedArrayBuffer are copied.
  const module = bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice();
  return { id, manifest, module };
}

function checkBuildId(bytes: Uint8Array, sections: readonly Section[]): string {
  const ids = sections.filter((s) => s.id === 0 && s.name === buildIdSection);
  const [section] = ids;
  if (section === undefined) refuse('it has no build id');
  if (ids.length > 1) refuse('it has several build ids');
  const said = Buffer.from(readBuildId(bytes, sections) ?? []).toString('hex');
  const found = sha256([bytes.subarray(0, section.start), bytes.subarray(section.end)]).toString('hex');
  if (said !== found) refuse('its build id does not match its content: it is damaged or was changed');
  return found;
}

/** Instantiating a patch must touch nothing that the program can see. */
function checkPassive(m: WasmModule): void {
  if (m.start !== undefined) refuse('it has a start function');
  if (m.data.some((s) => s.mode === 'active')) refuse('it has an active data segment');
  if (m.elements.some((s) => s.mode === 'active')) refuse('it has an active element segment');
}

function checkImports(m: WasmModule, manifest: Manifest): void {
  const named = new Map(manifest.imports.map((i) => [importKey(i), i]));
  if (named.size !== manifest.imports.length) refuse('its manifest names an import twice');
  for (const i of m.imports) {
    const said = named.get(importKey(i));
    if (said === undefined) refuse(`its manifest does not name its import "${i.module}" "${i.name}"`);
    if (!fits(i, said))
      refuse(`its import "${i.module}" "${i.name}" is a ${i.kind}, the manifest says ${said.from}`);
    checkRuntimeFunction(m, i, said);
  }
  const imported = new Set(m.imports.map(importKey));
  const missing = manifest.imports.find((i) => !imported.has(importKey(i)));
  if (missing !== undefined) refuse(`it does not import "${missing.module}" "${missing.name}"`);
}

/** What the runtime itself gives has one type only. */
function checkRuntimeFunction(m: WasmModule, i: Import, said: PatchImport): void {
  if (i.kind !== 'func' || (said.from !== 'shadow' && said.from !== 'state')) return;
  const wanted = said.from === 'shadow' ? shadowTypes[said.operation] : stateTypes[said.operation];
  const entry = m.types[i.type];
  const type = entry?.kind === 'func' ? showFuncType(entry) : `type ${i.type}`;
  if (type !== wanted)
    refuse(
      `its import "${i.module}" "${i.name}" has type ${type}, ${said.from} ${said.operation} is ${wanted}`,
    );
}

function fits(i: Import, source: ImportSource): boolean {
  switch (source.from) {
    case 'func':
    case 'memory':
    case 'table':
    case 'global':
    case 'tag':
      return i.kind === source.from;
    case 'host':
      return true;
    case 'shadow':
    case 'state':
      return i.kind === 'func';
    case 'memory-base':
    case 'table-base':
    case 'address':
    case 'function-address':
      return i.kind === 'global' && i.global.type === 'i32';
  }
}

function checkExports(m: WasmModule, manifest: Manifest): void {
  const exported = new Map(m.exports.map((e) => [e.name, e]));
  for (const r of manifest.replaces) {
    for (const name of [r.export, r.original ?? r.export]) {
      const type = exportedType(m, exported.get(name), name);
      // Types of another module's index space cannot be compared as text; the runtime's own check comes with linking.
      if (type !== r.type && !`${type}${r.type}`.includes('$'))
        refuse(`its replacement of "${r.name ?? r.index}" has type ${type}, the manifest says ${r.type}`);
    }
  }
  for (const [callback, name] of Object.entries(manifest.callbacks ?? {})) {
    const wanted = callbackTypes[callback as keyof Callbacks];
    const type = exportedType(m, exported.get(name), name);
    if (type !== wanted) refuse(`its callback ${callback} has type ${type}, not ${wanted}`);
  }
  const size = manifest.table?.size ?? 0;
  if (size > m.exports.length) refuse(`it has no ${size} functions for the program's table`);
  for (let i = 0; i < size; i += 1) {
    const name = patchTableExport(i);
    exportedType(m, exported.get(name), name);
  }
  const data = exported.get(patchDataExport);
  if (data !== undefined && exportedType(m, data, patchDataExport) !== '() -> ()')
    refuse(`its export "${patchDataExport}" has parameters or results`);
}

function exportedType(m: WasmModule, found: Export | undefined, name: string): string {
  if (found?.kind !== 'func') refuse(`it exports no function "${name}"`);
  return showFuncType(funcType(m, found.index));
}

function producers(tool: { name: string; version: string }): Uint8Array {
  const out = new Writer(64).u32(1).name('processed-by').u32(1);
  return out.name(tool.name).name(tool.version).toBytes();
}

function sha256(parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function refuse(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_NOT_A_PATCH', { reason });
}
