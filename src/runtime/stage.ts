// Staging: everything a patch needs in one instance, made ready without touching what the program can see. Imports are
// resolved, memory is reserved, the patch module is instantiated, its functions stand in the slot table. No slot word is written.

import { WgraftError } from '../errors.ts';
import { type PatchImport, patchDataExport } from '../patch/index.ts';
import { engine, type FuncIndex, type SlotIndex } from '../wasm/index.ts';
import type { CallbackState } from './callbacks.ts';
import type { Instance } from './instance.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Place } from './places.ts';
import type { SlotEntry } from './slot-table.ts';
import { stateFunction } from './states.ts';

/** A patch that is ready in one instance. */
export interface StagedPatch {
  readonly patch: LoadedPatch;
  readonly instance: WebAssembly.Instance;
  readonly entryOfSlot: ReadonlyMap<SlotIndex, SlotEntry>;
  readonly callbacks: CallbackState;
}

/** What a patch holds of an instance beyond its functions; kept for the next time the same patch is staged there. */
export interface Reservation {
  memoryBase?: number;
  tableBase?: number;
}

const pageBytes = 65536;

/** Stages a patch. @throws WGRAFT_ERR_STAGE_FAILED, with nothing changed that the program can see. */
export function stagePatch(target: Instance, patch: LoadedPatch, reservation: Reservation): StagedPatch {
  try {
    target.checkSlots();
    const place = target.sharesMemory ? target.program.places.of(patch.id) : undefined;
    reserve(target, patch, reservation, place);
    const instance = new engine.Instance(patch.module, resolveImports(target, patch, reservation));
    if (place?.hasData !== true) copyData(instance);
    if (place !== undefined) place.hasData = true;
    fillTable(target, patch, instance, reservation);
    const slots = [...patch.bySlot.keys()];
    const entries = target.slots.add(
      slots.map((slot) => instance.exports[patch.bySlot.get(slot)?.export ?? '']),
    );
    const entryOfSlot = new Map(slots.map((slot, i) => [slot, entries[i] ?? 0]));
    return { patch, instance, entryOfSlot, callbacks: { prePatched: false, postPatched: false } };
  } catch (cause) {
    if (WgraftError.is(cause)) throw cause;
    fail(target, patch, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function fail(target: Instance, patch: LoadedPatch, reason: string, cause?: unknown): never {
  const details = { patch: patch.manifest.name, instance: target.id, reason };
  throw new WgraftError('WGRAFT_ERR_STAGE_FAILED', details, { cause });
}

/** @param place where instances that share their memory with this one have it, or are to have it. */
function reserve(
  target: Instance,
  patch: LoadedPatch,
  reservation: Reservation,
  place: Place | undefined,
): void {
  const { memory, table } = patch.manifest;
  if (place !== undefined) reserveSame(target, patch, reservation, place);
  else {
    if (memory !== undefined && memory.sizeBytes > 0) reservation.memoryBase ??= reserveMemory(target, patch);
    if (table !== undefined) reservation.tableBase ??= growTable(target, patch, table.size);
  }
}

function reserveSame(target: Instance, patch: LoadedPatch, reservation: Reservation, place: Place): void {
  const { memory } = patch.manifest;
  if (memory !== undefined && memory.sizeBytes > 0)
    reservation.memoryBase = place.memoryBase ??= reserveMemory(target, patch);
  const entries = tableEntries(patch);
  if (entries === 0) return;
  place.tableBase ??= Math.max(...target.program.instances.map((i) => i.table.length));
  if (reservation.tableBase === place.tableBase) return;
  const { table } = target;
  const missing = place.tableBase - table.length;
  if (missing < 0)
    fail(
      target,
      patch,
      `its table has ${table.length} entries, and others have the patch from ${place.tableBase} on`,
    );
  growTable(target, patch, missing + entries);
  reservation.tableBase = place.tableBase;
}

/** Its own functions, then the program's whose address it wants. */
function tableEntries({ manifest }: LoadedPatch): number {
  return (manifest.table?.size ?? 0) + addressed(manifest.imports).length;
}

function addressed(imports: readonly PatchImport[]): readonly PatchImport[] {
  return imports.filter((i) => i.from === 'function-address');
}

function reserveMemory(target: Instance, patch: LoadedPatch): number {
  const need = patch.manifest.memory;
  if (need === undefined) return 0;
  const room = need.sizeBytes + need.alignBytes - 1;
  const start =
    need.allocator.kind === 'grow'
      ? growMemory(target, patch, room)
      : allocate(target, patch, need.allocator.index, room);
  return Math.ceil(start / need.alignBytes) * need.alignBytes;
}

function growMemory(target: Instance, patch: LoadedPatch, room: number): number {
  const memory = target.slots.reserved('memory', 0);
  if (!(memory instanceof WebAssembly.Memory)) fail(target, patch, 'the program has no memory');
  try {
    return memory.grow(Math.ceil(room / pageBytes)) * pageBytes;
  } catch (cause) {
    const pages = memory.buffer.byteLength / pageBytes;
    fail(
      target,
      patch,
      `its memory (${pages} pages) cannot grow by the ${room} bytes that the patch needs`,
      cause,
    );
  }
}

function allocate(target: Instance, patch: LoadedPatch, index: FuncIndex, room: number): number {
  const malloc = target.slots.functionAt(index);
  const address: unknown = typeof malloc === 'function' ? malloc(room) : 0;
  if (typeof address !== 'number' || address === 0) {
    fail(target, patch, `the program's allocator has no ${room} bytes for the patch`);
  }
  return address >>> 0;
}

/** The entry that is kept for a program function in all instances that share their memory. */
function freeEntry(
  target: Instance,
  { manifest }: LoadedPatch,
  wanted: PatchImport,
  { tableBase = 0 }: Reservation,
): number | undefined {
  if (!target.sharesMemory) return undefined;
  return tableBase + (manifest.table?.size ?? 0) + addressed(manifest.imports).indexOf(wanted);
}

function growTable(target: Instance, patch: LoadedPatch, size: number): number {
  const table = target.slots.reserved('table', 0);
  if (!(table instanceof WebAssembly.Table))
    fail(target, patch, 'the program has no table for function addresses');
  try {
    return table.grow(size);
  } catch (cause) {
    fail(target, patch, `the program's table (${table.length} entries) cannot grow by ${size}`, cause);
  }
}

function fillTable(
  target: Instance,
  patch: LoadedPatch,
  instance: WebAssembly.Instance,
  reservation: Reservation,
): void {
  const table = target.slots.reserved('table', 0);
  if (!(table instanceof WebAssembly.Table) || reservation.tableBase === undefined) return;
  for (let i = 0; i < (patch.manifest.table?.size ?? 0); i += 1) {
    table.set(reservation.tableBase + i, instance.exports[`__wgraft_table_${i}`]);
  }
}

function copyData(instance: WebAssembly.Instance): void {
  const copy = instance.exports[patchDataExport];
  if (typeof copy === 'function') copy();
}

function resolveImports(target: Instance, patch: LoadedPatch, reservation: Reservation): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const i of patch.manifest.imports) {
    const value = resolve(target, patch, i, reservation);
    if (value === undefined && i.from !== 'global')
      fail(target, patch, `nothing resolves its import "${i.module}" "${i.name}"`);
    imports[i.module] ??= {};
    Object.assign(imports[i.module] ?? {}, { [i.name]: value });
  }
  return imports;
}

function resolve(
  target: Instance,
  patch: LoadedPatch,
  i: PatchImport,
  reservation: Reservation,
): WebAssembly.ImportValue | undefined {
  const number = (value: number): WebAssembly.Global =>
    new WebAssembly.Global({ value: 'i32', mutable: patch.globals.get(i)?.mutable === true }, value);
  switch (i.from) {
    case 'func':
      return target.slots.functionAt(i.index) as WebAssembly.ImportValue;
    case 'memory':
    case 'table':
    case 'tag':
      return target.slots.reserved(i.from, i.index);
    case 'global':
      return target.slots.global(i.index, patch.globals.get(i)?.type);
    case 'memory-base':
      return number(reservation.memoryBase ?? 0);
    case 'table-base':
      return number(reservation.tableBase ?? 0);
    case 'address':
      return number(i.address);
    case 'function-address':
      return number(target.addressOf(i.index, freeEntry(target, patch, i, reservation)));
    case 'shadow':
      return target.shadow.imported(i.operation, patch.manifest.memory?.allocator);
    case 'state':
      return stateFunction(target.program, patch, i.operation);
    case 'host':
      return target.hostImport(i.host.module, i.host.name);
  }
}
