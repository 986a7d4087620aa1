// The splice engine: copies a module and puts guards and additions in, without decoding more than it must. Bodies stay
// byte for byte behind their guards; only where fentry imports go away are they walked, because function indices move.

import { preparedExports, reservedExport } from '../patch/index.ts';
import {
  op,
  type Range,
  Reader,
  type Section,
  sectionIds,
  sectionOrder,
  skipLocals,
  type WasmModule,
  Writer,
  walk,
} from '../wasm/index.ts';
import { addedFunctions, chunkSize, type Places } from './additions.ts';
import { rewriteCustom } from './custom-sections.ts';
import { guardOf, type Job } from './job.ts';
import type { Plan } from './plan.ts';

export interface SpliceOptions {
  /** False: only the additions; the binaryen engine puts the guards in. */
  readonly guards: boolean;
}

export interface Spliced {
  /** The module so far; `finish` adds the slot map and the build id. */
  readonly out: Writer;
  readonly places: Places;
  /** Custom sections left out, because they could not be kept right. */
  readonly dropped: readonly string[];
}

/** Writes the prepared module, all but its slot map and build id. */
export function splice(m: WasmModule, plan: Plan, options: SpliceOptions): Spliced {
  const places = findPlaces(m, plan);
  const job: Job = { m, plan, places, guards: options.guards };
  const changed = changedSections(job);
  const out = new Writer(Math.ceil(m.bytes.length * 1.12) + 4096).raw(m.bytes.subarray(0, 8));
  const dropped: string[] = [];
  const emitBefore = (rank: number): void => {
    for (const id of sectionOrder.slice(0, rank)) {
      const payload = changed.get(id);
      if (payload !== undefined) out.section(id, payload);
      changed.delete(id);
    }
  };
  for (const section of m.sections) {
    if (section.id === sectionIds.custom) {
      const payload = rewriteCustom(section, job);
      if (payload === undefined) dropped.push(section.name);
      else out.custom(section.name, payload);
      continue;
    }
    const rank = sectionOrder.indexOf(section.id);
    emitBefore(rank);
    if (!changed.has(section.id)) out.raw(m.bytes.subarray(section.start, section.end));
    emitBefore(rank + 1);
  }
  emitBefore(sectionOrder.length);
  return { out, places, dropped };
}

function findPlaces(m: WasmModule, plan: Plan): Places {
  const first = m.functions.length - (plan.fentry?.removed.size ?? 0);
  return {
    slotTable: m.tables.length,
    firstSlot: m.globals.length,
    bypass: m.globals.length + plan.slots,
    questionType: m.types.length,
    setterType: m.types.length + 1,
    bypassed: first,
    set: first + 1,
    fill: first + 2,
    firstLeaf: first + 3,
    firstSegment: m.elements.length,
  };
}

function changedSections(job: Job): Map<number, Uint8Array> {
  const { m, plan, places } = job;
  const functions = addedFunctions(places, plan.slots, places.bypassed);
  const changed = new Map<number, Uint8Array>([
    [
      sectionIds.type,
      appendTo(m, sectionIds.type, 2, (w) => w.raw([0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 0])),
    ],
    [
      sectionIds.function,
      appendTo(m, sectionIds.function, functions.length, (w) => {
        for (const f of functions) w.u32(f.type);
      }),
    ],
    [sectionIds.table, tableSection(m)],
    [sectionIds.global, globalSection(job)],
    [sectionIds.export, exportSection(job)],
    [sectionIds.element, elementSection(job)],
    [
      sectionIds.code,
      codeSection(
        job,
        functions.map((f) => f.body),
      ),
    ],
  ]);
  if (plan.fentry !== undefined) {
    changed.set(sectionIds.import, importSection(job));
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

/** Imports without the hooks. */
function importSection({ m, plan }: Job): Uint8Array {
  let index = 0;
  const kept = m.imports.filter((i) => i.kind !== 'func' || !plan.fentry?.removed.has(index++));
  const out = new Writer(1024);
  return out.vector(kept, (i) => out.raw(bytesOf(m, i))).view();
}

/** Defined tables lose their maximum, and the slot table comes last. */
function tableSection(m: WasmModule): Uint8Array {
  const defined = m.tables.slice(m.imported.table);
  const out = new Writer(256).u32(defined.length + 1);
  for (const table of defined) {
    const r = new Reader(m.bytes, table.start, table.end);
    if (table.init !== undefined) r.skip(2);
    const start = r.at;
    r.u8();
    const reference = m.bytes[start];
    if (reference === 0x63 || reference === 0x64) r.s33();
    if (table.init !== undefined) out.raw([0x40, 0]);
    out
      .raw(m.bytes.subarray(start, r.at))
      .u8(table.limits.flags & ~1)
      .u64(table.limits.min);
    if (table.init !== undefined) out.raw(bytesOf(m, table.init));
  }
  return out.raw([0x70, 0, 1]).view();
}

function globalSection(job: Job): Uint8Array {
  const { m, plan } = job;
  const defined = m.globals.slice(m.imported.global);
  const section = m.sections.find((s) => s.id === sectionIds.global);
  const out = new Writer((plan.slots + 1) * 5 + 1024).u32(defined.length + plan.slots + 1);
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
  for (let i = 0; i <= plan.slots; i += 1) out.raw([0x7f, 1, op.i32Const, 0, op.end]);
  return out.view();
}

const exportKinds = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

function exportSection(job: Job): Uint8Array {
  const { m, places } = job;
  const all = m.exports.map((e) => (e.kind === 'func' ? { ...e, index: moved(job, e.index) } : e));
  all.push({ name: preparedExports.slots, kind: 'table', index: places.slotTable });
  all.push({ name: preparedExports.bypass, kind: 'global', index: places.bypass });
  all.push({ name: preparedExports.set, kind: 'func', index: places.set });
  all.push({ name: preparedExports.fill, kind: 'func', index: places.fill });
  m.memories.forEach(
    (_, index) => void all.push({ name: reservedExport('memory', index), kind: 'memory', index }),
  );
  m.tables.forEach(
    (_, index) => void all.push({ name: reservedExport('table', index), kind: 'table', index }),
  );
  m.globals.forEach((g, index) => {
    if (g.mutable) all.push({ name: reservedExport('global', index), kind: 'global', index });
  });
  m.tags.forEach((_, index) => void all.push({ name: reservedExport('tag', index), kind: 'tag', index }));
  const out = new Writer(all.length * 24);
  return out.vector(all, (e) => out.name(e.name).u8(exportKinds[e.kind]).u32(e.index)).view();
}

/** The program's segments, then passive ones that name every function, for `__wgraft_fill`. */
function elementSection(job: Job): Uint8Array {
  const { m, places } = job;
  const functions = places.bypassed;
  const chunks = Math.ceil(functions / chunkSize);
  const out = new Writer(functions * 3 + 1024).u32(m.elements.length + chunks);
  for (const segment of m.elements) {
    out.raw(m.bytes.subarray(segment.start, segment.entries.start));
    if (segment.expressions) copyCode(job, out, segment.entries, segment.functions.length);
    else out.vector(segment.functions, (f) => out.u32(moved(job, f ?? 0)));
  }
  for (let k = 0; k < chunks; k += 1) {
    const count = Math.min(chunkSize, functions - k * chunkSize);
    out.u8(1).u8(0).u32(count);
    for (let i = 0; i < count; i += 1) out.u32(k * chunkSize + i);
  }
  return out.view();
}

function codeSection(job: Job, added: readonly Uint8Array[]): Uint8Array {
  const { m, plan } = job;
  const size = plan.functions.reduce((sum, f) => sum + f.body.end - f.body.start, 0);
  const out = new Writer(size + plan.functions.length * 48 + 4096).u32(plan.functions.length + added.length);
  const guard = new Writer(64);
  const code = new Writer(4096);
  for (const f of plan.functions) {
    const at = skipLocals(m.bytes, f.body);
    guardOf(job, f, guard.reset());
    if (plan.fentry === undefined) {
      out.u32(f.body.end - f.body.start + guard.length);
      out.raw(m.bytes.subarray(f.body.start, at)).raw(guard.view()).raw(m.bytes.subarray(at, f.body.end));
    } else {
      code.reset().raw(m.bytes.subarray(f.body.start, at)).raw(guard.view());
      copyCode(job, code, { start: at, end: f.body.end });
      out.block(code.view());
    }
  }
  for (const body of added) out.block(body);
  return out.view();
}

/**
 * Copies instructions; where fentry imports go away, function indices move and calls of the hooks become drops of their
 * arguments. `count` is written first where the range is a vector of expressions.
 */
function copyCode({ m, plan }: Job, out: Writer, range: Range, count?: number): void {
  const { fentry } = plan;
  if (fentry === undefined) {
    out.raw(bytesOf(m, range));
    return;
  }
  const r = new Reader(m.bytes, range.start, range.end);
  if (count !== undefined) out.u32(r.u32());
  let from = r.at;
  walk(r, (i) => {
    if (i.opcode !== op.call && i.opcode !== op.returnCall && i.opcode !== op.refFunc) return;
    out.raw(m.bytes.subarray(from, i.at));
    from = i.next;
    const to = plan.move(i.index);
    if (to !== undefined) {
      out.u8(i.opcode).u32(to);
      return;
    }
    for (let k = fentry.removed.get(i.index) ?? 0; k > 0; k -= 1) out.u8(op.drop);
    if (i.opcode === op.returnCall) out.u8(op.return);
  });
  out.raw(m.bytes.subarray(from, range.end));
}
