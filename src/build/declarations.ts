// Writes what a unit defines besides functions into a patch module, every index mapped. Segments become passive.

import { WgraftError } from '../errors.ts';
import {
  copyConstant,
  copyValType,
  type IndexMap,
  Reader,
  sectionIds,
  sectionReader,
  type WasmModule,
  type Writer,
  walkConstant,
} from '../wasm/index.ts';

type Write = (m: WasmModule, index: number, out: Writer, map: IndexMap) => void;

export const declarations: Readonly<
  Record<'table' | 'memory' | 'global' | 'tag' | 'element' | 'data', Write>
> = { table, memory, global, tag, element, data };

function table(m: WasmModule, index: number, out: Writer, map: IndexMap): void {
  const declared = m.tables[index];
  if (declared === undefined) missing(m, 'table', index);
  const r = new Reader(m.bytes, declared.start, declared.end);
  if (declared.init !== undefined) out.raw(r.take(2));
  copyValType(r, out, map);
  const limitsEnd = declared.init?.start ?? declared.end;
  out.raw(m.bytes.subarray(r.at, limitsEnd));
  r.at = limitsEnd;
  if (declared.init !== undefined) copyConstant(r, out, map);
}

function memory(m: WasmModule, index: number, out: Writer): void {
  const limits = m.memories[index];
  if (limits === undefined) missing(m, 'memory', index);
  if (limits.flags & 8)
    throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', {
      file: 'the replacement',
      what: 'it has a memory with custom pages',
    });
  out.u8(limits.flags).u64(limits.min);
  if (limits.max !== undefined) out.u64(limits.max);
}

function global(m: WasmModule, index: number, out: Writer, map: IndexMap): void {
  const section = m.sections.find((s) => s.id === sectionIds.global);
  if (section === undefined) missing(m, 'global', index);
  const r = sectionReader(m.bytes, section);
  r.u32();
  // The module's declarations do not say where a global's type stands: pass over the ones before it.
  for (let i = m.imported.global; i < index; i += 1) {
    r.at = m.globals[i]?.init?.end ?? r.end;
  }
  copyValType(r, out, map);
  out.u8(r.u8());
  copyConstant(r, out, map);
}

function tag(m: WasmModule, index: number, out: Writer, map: IndexMap): void {
  out.u8(0).u32(map('type', m.tags[index] ?? missing(m, 'tag', index), 0));
}

function element(m: WasmModule, index: number, out: Writer, map: IndexMap): void {
  const segment = m.elements[index];
  if (segment === undefined) missing(m, 'element segment', index);
  const r = new Reader(m.bytes, segment.start, segment.end);
  const flags = r.u32();
  if ((flags & 1) === 0) {
    if (flags & 2) r.u32();
    walkConstant(r);
  }
  out.u32(segment.expressions ? 5 : 1);
  if (!segment.expressions) {
    out.u8(0);
    r.at = segment.entries.start;
    const count = r.u32();
    out.u32(count);
    for (let i = 0; i < count; i += 1) out.u32(map('func', r.u32(), 0));
    return;
  }
  if (flags & 3) copyValType(r, out, map);
  else out.u8(0x70);
  r.at = segment.entries.start;
  const count = r.u32();
  out.u32(count);
  for (let i = 0; i < count; i += 1) copyConstant(r, out, map);
}

function data(m: WasmModule, index: number, out: Writer): void {
  const segment = m.data[index];
  if (segment === undefined) missing(m, 'data segment', index);
  out.u32(1).block(m.bytes.subarray(segment.content.start, segment.content.end));
}

function missing(m: WasmModule, what: string, index: number): never {
  return new Reader(m.bytes).fail(`${what} ${index} does not exist`, 0);
}
