// The `dylink.0` custom section (tool conventions): what a library needs of the program that loads it. Read and written;
// the older `dylink` section is read.
//
//   dylink.0 := (id:u8 size:u32 payload)*
//   dylink   := memorySize:u32 memoryAlignment:u32 tableSize:u32 tableAlignment:u32 needed:vec(name)

import type { Reader } from './reader.ts';
import { findCustom, type Section, sectionReader } from './sections.ts';
import { Writer } from './writer.ts';

export const dylinkSection = 'dylink.0';

export interface MemoryInfo {
  readonly memorySize: number;
  /** As a power of two. */
  readonly memoryAlignment: number;
  readonly tableSize: number;
  readonly tableAlignment: number;
}

/** What the loader has to know of an export that its type does not say; flags as in `symbolFlags`. */
export interface ExportInfo {
  readonly name: string;
  readonly flags: number;
}

export interface ImportInfo extends ExportInfo {
  readonly module: string;
}

/** Memory needs are all 0 where the section names none. */
export interface Dylink extends MemoryInfo {
  /** Libraries to load first. */
  readonly needed: readonly string[];
  readonly exports: readonly ExportInfo[];
  readonly imports: readonly ImportInfo[];
  /** Folders to look for them in. */
  readonly runtimePath: readonly string[];
  /** Subsections that nothing here knows. */
  readonly unknown: readonly { readonly id: number; readonly payload: Uint8Array }[];
}

const ids = { memory: 1, needed: 2, exports: 3, imports: 4, runtimePath: 5 } as const;

const nothing: Dylink = {
  memorySize: 0,
  memoryAlignment: 0,
  tableSize: 0,
  tableAlignment: 0,
  needed: [],
  exports: [],
  imports: [],
  runtimePath: [],
  unknown: [],
};

/** Reads `dylink.0`, else the older `dylink`; undefined without either. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readDylink(bytes: Uint8Array, sections: readonly Section[]): Dylink | undefined {
  const section = findCustom(sections, dylinkSection);
  if (section === undefined) return readOldDylink(bytes, sections);
  const r = sectionReader(bytes, section);
  let dylink = nothing;
  const unknown: Dylink['unknown'][number][] = [];
  while (!r.done) {
    const id = r.u8();
    const body = r.sub(r.u32(), 'dylink subsection');
    const found = readSubsection(id, body);
    if (found === undefined) unknown.push({ id, payload: body.take(body.left) });
    else dylink = { ...dylink, ...found };
    body.finish('dylink subsection');
  }
  return { ...dylink, unknown };
}

/** The payload of a `dylink.0` section. Lists that are empty are left out. */
export function writeDylink(info: MemoryInfo & Partial<Dylink>): Uint8Array {
  const { needed, exports, imports, runtimePath, unknown } = { ...nothing, ...info };
  const out = new Writer(64);
  const inner = new Writer(64).u32(info.memorySize).u32(info.memoryAlignment);
  out.section(ids.memory, inner.u32(info.tableSize).u32(info.tableAlignment).view());
  const list = <T>(id: number, items: readonly T[], write: (item: T) => void): void => {
    inner.reset();
    if (items.length > 0) out.section(id, inner.vector(items, (item) => write(item)).view());
  };
  list(ids.needed, needed, (name) => inner.name(name));
  list(ids.exports, exports, (e) => inner.name(e.name).u32(e.flags));
  list(ids.imports, imports, (i) => inner.name(i.module).name(i.name).u32(i.flags));
  list(ids.runtimePath, runtimePath, (path) => inner.name(path));
  for (const { id, payload } of unknown) out.section(id, payload);
  return out.toBytes();
}

function readSubsection(id: number, r: Reader): Partial<Dylink> | undefined {
  switch (id) {
    case ids.memory:
      return readMemoryInfo(r);
    case ids.needed:
      return { needed: r.vector('needed libraries', () => r.name()) };
    case ids.exports:
      return { exports: r.vector('export infos', () => ({ name: r.name(), flags: r.u32() }), 2) };
    case ids.imports:
      return {
        imports: r.vector('import infos', () => ({ module: r.name(), name: r.name(), flags: r.u32() }), 3),
      };
    case ids.runtimePath:
      return { runtimePath: r.vector('runtime paths', () => r.name()) };
    default:
      return undefined;
  }
}

function readMemoryInfo(r: Reader): MemoryInfo {
  return {
    memorySize: r.u32(),
    memoryAlignment: r.u32(),
    tableSize: r.u32(),
    tableAlignment: r.u32(),
  };
}

function readOldDylink(bytes: Uint8Array, sections: readonly Section[]): Dylink | undefined {
  const section = findCustom(sections, 'dylink');
  if (section === undefined) return undefined;
  const r = sectionReader(bytes, section);
  const memory = readMemoryInfo(r);
  const needed = r.vector('needed libraries', () => r.name());
  r.finish('section "dylink"');
  return { ...nothing, ...memory, needed };
}
