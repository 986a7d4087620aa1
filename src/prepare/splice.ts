// The splice engine: copies a module and puts guards and additions in, without decoding more than it must. Each section
// that preparing changes has its function here; the code section is code-section.ts, custom ones are custom-sections.ts.

import {
  attentionEntry,
  attentionImport,
  globalOffer,
  preparedExports,
  reservedExport,
} from '../patch/index.ts';
import {
  customHeader,
  type ElementSegment,
  op,
  type Range,
  Reader,
  type Section,
  sectionIds,
  sectionOrder,
  type WasmModule,
  Writer,
  writeValType,
} from '../wasm/index.ts';
import {
  addedFunctions,
  chunkSize,
  fixedFunctions,
  ownGlobals,
  ownTypes,
  type Places,
  setterLeaves,
} from './additions.ts';
import { branchHintSection } from './branch-hints.ts';
import { copyCode, layOutCode, type Payload } from './code-section.ts';
import { addedCustom, addedHints, rewriteCustom } from './custom-sections.ts';
import { AddressMap, moveDebugInfo } from './debug/index.ts';
import type { Job } from './job.ts';
import { type CustomSection, describeOriginals } from './original-sections.ts';
import type { Plan } from './plan.ts';
import { findRedirects } from './redirects.ts';
import type { MovedCode } from './source-map.ts';

export interface SpliceOptions {
  /** False: only the additions; the binaryen engine puts the guards in. */
  readonly guards: boolean;
  /** How many bytes the caller will add to the module. */
  readonly reserve?: number;
}

export interface Spliced {
  /** The module so far; `prepare` adds the slot map and the build id. */
  readonly out: Writer;
  readonly places: Places;
  /** Custom sections left out, because they could not be kept right. */
  readonly dropped: readonly string[];
  /** Debug sections that are kept right. */
  readonly moved: readonly string[];
  /** Where the code went. */
  readonly code: () => MovedCode;
}

/** Writes the prepared module, all but its slot map and build id. */
export function splice(m: WasmModule, plan: Plan, options: SpliceOptions): Spliced {
  const places = findPlaces(m, plan);
  const job: Job = { m, plan, places, guards: options.guards };
  const changed = changedSections(job);
  const code = changed.get(sectionIds.code);
  let known: AddressMap | undefined;
  const addresses = (): AddressMap => {
    known ??= new AddressMap(job);
    return known;
  };
  const debug = options.guards ? moveDebugInfo(m, addresses) : new Map<string, Uint8Array>();
  const pieces: (Uint8Array | Payload)[] = [m.bytes.subarray(0, 8)];
  const dropped: string[] = [];
  const customs: CustomSection[] = [];
  const emitCustom = (name: string, payload: Uint8Array): void => {
    customs.push({ name, payload });
    pieces.push(customHeader(name, payload.length), payload);
  };
  const emitBefore = (rank: number): void => {
    for (const id of sectionOrder.slice(0, rank)) {
      const payload = changed.get(id);
      const hints = id === sectionIds.code && payload !== undefined ? addedHints(job) : undefined;
      if (hints !== undefined) emitCustom(branchHintSection, hints);
      if (payload !== undefined) pieces.push(new Writer(8).u8(id).u32(payload.length).view(), payload);
      changed.delete(id);
    }
  };
  for (const section of m.sections) {
    if (section.id === sectionIds.custom) {
      const payload = rewriteCustom(section, job, debug);
      if (payload === undefined) dropped.push(section.name);
      else emitCustom(section.name, payload);
      continue;
    }
    const rank = sectionOrder.indexOf(section.id);
    emitBefore(rank);
    if (!changed.has(section.id)) pieces.push(m.bytes.subarray(section.start, section.end));
    emitBefore(rank + 1);
  }
  emitBefore(sectionOrder.length);
  for (const [name, payload] of addedCustom(job)) emitCustom(name, payload);
  if (options.guards) {
    const { name, payload } = describeOriginals(m, customs);
    emitCustom(name, payload);
  }
  return {
    out: joined(pieces, options.reserve ?? 0),
    places,
    dropped,
    moved: [...debug.keys()],
    code: () => ({ addresses: addresses(), origin: startOf(code, pieces) }),
  };
}

function startOf(piece: Payload | Uint8Array | undefined, pieces: readonly (Uint8Array | Payload)[]): number {
  let at = 0;
  for (const p of pieces) {
    if (p === piece) break;
    at += p.length;
  }
  return at;
}

/** One buffer that fits: a large module is copied once, and no more memory than it needs is asked for. */
function joined(pieces: readonly (Uint8Array | Payload)[], reserve: number): Writer {
  const out = new Writer(pieces.reduce((sum, piece) => sum + piece.length, reserve));
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) out.raw(piece);
    else piece.writeTo(out);
  }
  return out;
}

function findPlaces(m: WasmModule, plan: Plan): Places {
  const set = m.functions.length - (plan.fentry?.removed.size ?? 0);
  const firstLeaf = set + fixedFunctions;
  const firstRedirect = firstLeaf + setterLeaves(plan.guards);
  const firstBlockType = m.types.length + ownTypes(plan);
  const found = findRedirects(m, plan, { first: firstRedirect, firstBlockType });
  return {
    slotTable: m.tables.length,
    word: m.globals.length,
    firstSlot: m.globals.length + ownGlobals,
    setterType: m.types.length,
    set,
    fill: set + 1,
    firstLeaf,
    ...found,
    value:
      plan.values.length === 0
        ? undefined
        : { index: firstRedirect + found.redirects.size, type: firstBlockType - 1 },
    firstSegment: m.elements.length,
    attention: plan.attention ? { memory: m.memories.length, type: m.types.length + 1 } : undefined,
  };
}

function changedSections(job: Job): Map<number, Uint8Array | Payload> {
  const { m, plan, places } = job;
  const functions = addedFunctions(job);
  const changed = new Map<number, Uint8Array | Payload>([
    [
      sectionIds.type,
      appendTo(m, sectionIds.type, ownTypes(plan) + places.blockTypes.length, (w) => {
        w.raw([0x60, 2, 0x7f, 0x7f, 0]);
        if (plan.attention) w.raw([0x60, 0, 0]);
        if (places.value !== undefined) w.raw([0x60, 1, 0x7f, 1, 0x6f]);
        for (const results of places.blockTypes)
          w.raw([0x60, 0]).vector(results, (type) => writeValType(w, type, (index) => index));
      }),
    ],
    [
      sectionIds.function,
      appendTo(m, sectionIds.function, functions.length, (w) => {
        for (const f of functions) w.u32(f.type);
      }),
    ],
    [sectionIds.table, tableSection(job)],
    [sectionIds.global, globalSection(job)],
    [sectionIds.export, exportSection(job)],
    [sectionIds.element, elementSection(job)],
    [
      sectionIds.code,
      layOutCode(
        job,
        functions.map((f) => f.body),
      ),
    ],
  ]);
  if (plan.fentry !== undefined || plan.attention) changed.set(sectionIds.import, importSection(job));
  if (plan.fentry !== undefined) {
    if (m.start !== undefined)
      changed.set(sectionIds.start, new Writer(8).u32(moved(job, m.start)).toBytes());
  }
  return changed;
}

function moved({ plan }: Job, index: number): number {
  return plan.move(index) ?? index;
}

/** A vector section with `count` more entries; the old ones are copied. */
function appendTo(m: WasmModule, id: number, count: number, write: (w: Writer) => void): Uint8Array {
  const section = m.sections.find((s) => s.id === id);
  const old = section === undefined ? undefined : vectorOf(m, section);
  const out = new Writer((old?.entries.length ?? 0) + count * 8 + 16).u32((old?.count ?? 0) + count);
  if (old !== undefined) out.raw(old.entries);
  write(out);
  return out.view();
}

function vectorOf(m: WasmModule, section: Section): { count: number; entries: Uint8Array } {
  const r = new Reader(m.bytes, section.payload, section.end);
  const count = r.u32();
  return { count, entries: m.bytes.subarray(r.at, section.end) };
}

function bytesOf(m: WasmModule, range: Range): Uint8Array {
  return m.bytes.subarray(range.start, range.end);
}

/** Imports without the hooks, and with the memory of the attention word (shared, exactly one page). */
function importSection({ m, plan }: Job): Uint8Array {
  let index = 0;
  const kept = m.imports.filter((i) => i.kind !== 'func' || !plan.fentry?.removed.has(index++));
  const out = new Writer(1024).u32(kept.length + (plan.attention ? 1 : 0));
  for (const i of kept) out.raw(bytesOf(m, i));
  if (plan.attention) out.name(attentionImport.module).name(attentionImport.name).raw([2, 3, 1, 1]);
  return out.view();
}

/** Defined tables lose their maximum, so that patches can take new addresses, and the slot table comes last. */
function tableSection(job: Job): Uint8Array {
  const { m, plan } = job;
  const defined = m.tables.slice(m.imported.table);
  const out = new Writer(256).u32(defined.length + 1);
  for (const [i, table] of defined.entries()) {
    const { flags, min, max } = table.limits;
    const maximum = isForOthers(m, m.imported.table + i) ? max : undefined;
    const r = new Reader(m.bytes, table.start, table.end);
    if (table.init !== undefined) r.skip(2);
    const start = r.at;
    r.u8();
    const reference = m.bytes[start];
    if (reference === 0x63 || reference === 0x64) r.s33();
    if (table.init !== undefined) out.raw([0x40, 0]);
    out
      .raw(m.bytes.subarray(start, r.at))
      .u8(maximum === undefined ? flags & ~1 : flags)
      .u64(min);
    if (maximum !== undefined) out.u64(maximum);
    if (table.init !== undefined) copyCode(job, out, table.init);
  }
  return out.raw([0x70, 0, plan.attention ? attentionEntry + 1 : 1]).view();
}

/**
 * A table that the module exports and does not fill itself is there for another module to fill, which may import it with its
 * maximum, and would not get it without one (the shims of transpiled components do so).
 */
function isForOthers(m: WasmModule, table: number): boolean {
  const exported = m.exports.some(({ kind, index }) => kind === 'table' && index === table);
  return exported && !m.elements.some((e) => e.mode === 'active' && e.table === table);
}

function globalSection(job: Job): Uint8Array {
  const { m, plan } = job;
  const defined = m.globals.slice(m.imported.global);
  const section = m.sections.find((s) => s.id === sectionIds.global);
  const added = plan.guards + ownGlobals;
  const out = new Writer(added * 5 + 1024).u32(defined.length + added);
  if (section !== undefined) {
    const r = new Reader(m.bytes, section.payload, section.end);
    r.u32();
    let at = r.at;
    for (const { init } of defined) {
      if (init === undefined) continue;
      out.raw(m.bytes.subarray(at, init.start));
      copyCode(job, out, init);
      at = init.end;
    }
  }
  for (let i = 0; i < added; i += 1) out.raw([0x7f, 1, op.i32Const, 0, op.end]);
  return out.view();
}

const exportKinds = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

function exportSection(job: Job): Uint8Array {
  const { m, places } = job;
  const all = m.exports.map((e) => (e.kind === 'func' ? { ...e, index: moved(job, e.index) } : e));
  all.push({ name: preparedExports.slots, kind: 'table', index: places.slotTable });
  all.push({ name: preparedExports.set, kind: 'func', index: places.set });
  all.push({ name: preparedExports.fill, kind: 'func', index: places.fill });
  if (places.value !== undefined)
    all.push({ name: preparedExports.value, kind: 'func', index: places.value.index });
  m.memories.forEach(
    (_, index) => void all.push({ name: reservedExport('memory', index), kind: 'memory', index }),
  );
  m.tables.forEach(
    (_, index) => void all.push({ name: reservedExport('table', index), kind: 'table', index }),
  );
  m.globals.forEach((g, index) => {
    if (globalOffer(g, m.types) === 'export')
      all.push({ name: reservedExport('global', index), kind: 'global', index });
  });
  m.tags.forEach((_, index) => void all.push({ name: reservedExport('tag', index), kind: 'tag', index }));
  const out = new Writer(all.length * 24);
  return out.vector(all, (e) => out.name(e.name).u8(exportKinds[e.kind]).u32(e.index)).view();
}

/** The program's segments, then passive ones that name every function, for `__wgraft_fill`. */
function elementSection(job: Job): Uint8Array {
  const { m, places } = job;
  const functions = places.set;
  const chunks = Math.ceil(functions / chunkSize);
  const out = new Writer(functions * 3 + 1024).u32(m.elements.length + chunks);
  for (const segment of m.elements) {
    if (!job.guards && segment.mode === 'declarative') {
      emptied(job, out, segment);
      continue;
    }
    out.raw(m.bytes.subarray(segment.start, segment.entries.start));
    if (segment.expressions) copyExpressions(job, out, segment);
    else out.vector(segment.functions, (f) => out.u32(moved(job, f ?? 0)));
  }
  for (let k = 0; k < chunks; k += 1) {
    const count = Math.min(chunkSize, functions - k * chunkSize);
    out.u8(1).u8(0).u32(count);
    for (let i = 0; i < count; i += 1) out.u32(k * chunkSize + i);
  }
  return out.view();
}

/**
 * binaryen 132 does not count declarative segments, so that indices of later ones would be wrong. An empty passive segment
 * behaves the same, and what it declared stands in the segments of `__wgraft_fill`.
 */
function emptied({ m }: Job, out: Writer, segment: ElementSegment): void {
  const r = new Reader(m.bytes, segment.start, segment.entries.start);
  const flags = r.u32();
  out
    .u32(flags & ~2)
    .raw(m.bytes.subarray(r.at, segment.entries.start))
    .u32(0);
}

/** A vector of constant expressions. */
function copyExpressions(job: Job, out: Writer, { entries }: ElementSegment): void {
  const r = new Reader(job.m.bytes, entries.start, entries.end);
  out.u32(r.u32());
  copyCode(job, out, { start: r.at, end: entries.end });
}
