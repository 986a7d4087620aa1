// The `reloc.*` custom sections (tool conventions): which fields of another section a linker fills in, and with what.
// Reading them believes nothing; relocation-check.ts says whether they still belong to the module that they stand in.
//
//   reloc := section:u32 count:u32 (type:u32 offset:u32 index:u32 [addend:s32|s64])*
//
// `section` counts all sections, custom ones too; `offset` counts from the first byte after that section's size (and name).

import type { WasmModule } from './module.ts';
import { Reader } from './reader.ts';
import { type Section, sectionReader } from './sections.ts';

/** What a field holds: an index of that space, an entry of the function table, or an address or offset. */
export type RelocationTarget =
  | 'func'
  | 'type'
  | 'global'
  | 'tag'
  | 'table'
  | 'table-entry'
  | 'memory'
  | 'code-offset'
  | 'section-offset';

/** How a field is encoded: padded unsigned or signed LEB128, or a little-endian integer. */
export type RelocationField = 'leb' | 'sleb' | 'int';

export interface RelocationType {
  /** As the tool conventions name it, without `R_WASM_`. */
  readonly name: string;
  readonly target: RelocationTarget;
  readonly field: RelocationField;
  readonly bits: 32 | 64;
  /** How many bytes the field takes. */
  readonly width: number;
  readonly addend: boolean;
  /** What the value is counted from: 0, the module's own base (PIC), the thread's base, or the field itself. */
  readonly origin: 'zero' | 'module' | 'thread' | 'site';
}

export interface Relocation {
  readonly type: RelocationType;
  /** Where the field stands, counted from the target section's payload. */
  readonly offset: number;
  /** Index in the symbol table; of the type where the type's target is `type`. */
  readonly index: number;
  /** 0 where the type has none. */
  readonly addend: number;
}

export interface RelocationSection {
  /** Name of the custom section itself, like `reloc.CODE`. */
  readonly name: string;
  /** The section whose fields these are; undefined where the module has no section of that index. */
  readonly target: Section | undefined;
  readonly entries: readonly Relocation[];
}

const targets: readonly (readonly [prefix: string, target: RelocationTarget])[] = [
  ['FUNCTION_INDEX', 'func'],
  ['FUNCTION_OFFSET', 'code-offset'],
  ['TABLE_INDEX', 'table-entry'],
  ['TABLE_NUMBER', 'table'],
  ['MEMORY_ADDR', 'memory'],
  ['TYPE_INDEX', 'type'],
  ['GLOBAL_INDEX', 'global'],
  ['SECTION_OFFSET', 'section-offset'],
  ['TAG_INDEX', 'tag'],
];

/** All types, by number. */
export const relocationTypes: readonly RelocationType[] = [
  'FUNCTION_INDEX_LEB',
  'TABLE_INDEX_SLEB',
  'TABLE_INDEX_I32',
  'MEMORY_ADDR_LEB',
  'MEMORY_ADDR_SLEB',
  'MEMORY_ADDR_I32',
  'TYPE_INDEX_LEB',
  'GLOBAL_INDEX_LEB',
  'FUNCTION_OFFSET_I32',
  'SECTION_OFFSET_I32',
  'TAG_INDEX_LEB',
  'MEMORY_ADDR_REL_SLEB',
  'TABLE_INDEX_REL_SLEB',
  'GLOBAL_INDEX_I32',
  'MEMORY_ADDR_LEB64',
  'MEMORY_ADDR_SLEB64',
  'MEMORY_ADDR_I64',
  'MEMORY_ADDR_REL_SLEB64',
  'TABLE_INDEX_SLEB64',
  'TABLE_INDEX_I64',
  'TABLE_NUMBER_LEB',
  'MEMORY_ADDR_TLS_SLEB',
  'FUNCTION_OFFSET_I64',
  'MEMORY_ADDR_LOCREL_I32',
  'TABLE_INDEX_REL_SLEB64',
  'MEMORY_ADDR_TLS_SLEB64',
  'FUNCTION_INDEX_I32',
  'MEMORY_ADDR_LOCREL_I64',
].map(describe);

// The names say it all, so the table above is written once and read here.
function describe(name: string): RelocationType {
  const bits = name.endsWith('64') ? 64 : 32;
  const field = name.includes('_SLEB') ? 'sleb' : name.includes('_LEB') ? 'leb' : 'int';
  const width = bits === 64 ? { leb: 10, sleb: 10, int: 8 } : { leb: 5, sleb: 5, int: 4 };
  const target = targets.find(([prefix]) => name.startsWith(prefix))?.[1] ?? 'memory';
  const addend = target === 'memory' || target === 'code-offset' || target === 'section-offset';
  return { name, target, field, bits, width: width[field], addend, origin: originOf(name) };
}

function originOf(name: string): RelocationType['origin'] {
  if (name.includes('_LOCREL_')) return 'site';
  if (name.includes('_TLS_')) return 'thread';
  return name.includes('_REL_') ? 'module' : 'zero';
}

/** Reads all `reloc.*` sections, in file order. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readRelocations(m: WasmModule): RelocationSection[] {
  const own = m.sections.filter((s) => s.id === 0 && s.name.startsWith('reloc.'));
  return own.map((section) => {
    const r = sectionReader(m.bytes, section);
    const target = m.sections[r.u32()];
    const entries = r.vector('relocations', () => readEntry(r), 3);
    r.finish(`section "${section.name}"`);
    return { name: section.name, target, entries };
  });
}

function readEntry(r: Reader): Relocation {
  const start = r.at;
  const number = r.u32();
  const type = relocationTypes[number] ?? r.fail(`unknown relocation type ${number}`, start);
  const offset = r.u32();
  const index = r.u32();
  return { type, offset, index, addend: type.addend ? readAddend(r, type) : 0 };
}

function readAddend(r: Reader, type: RelocationType): number {
  return type.bits === 64 ? Number(r.s64()) : r.s32();
}

/**
 * The value in a relocated field; undefined if the bytes at that offset are no such field: outside the file, or a LEB128
 * that is not padded to the full width. Values of 64 bits lose precision above 2^53; addresses never get there.
 */
export function readRelocated(bytes: Uint8Array, at: number, type: RelocationType): number | undefined {
  const end = at + type.width;
  if (at < 0 || end > bytes.length) return undefined;
  if (type.field === 'int') {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, type.width);
    return type.bits === 64 ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true);
  }
  for (let i = at; i < end; i += 1) if ((bytes[i] ?? 0) < 0x80 !== (i === end - 1)) return undefined;
  return readPadded(new Reader(bytes, at, end), type);
}

function readPadded(r: Reader, type: RelocationType): number | undefined {
  try {
    if (type.bits === 64) return Number(type.field === 'leb' ? r.u64() : r.s64());
    return type.field === 'leb' ? r.u32() : r.s32();
  } catch {
    return undefined; // set bits beyond 32 or 64: not what a linker writes
  }
}
