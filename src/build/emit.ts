// Writes the sections of a patch module.

import { patchImportModule } from '../patch/index.ts';
import {
  dylinkSection,
  type ExternKind,
  type MemoryInfo,
  sectionIds,
  type TypeTable,
  Writer,
  writeDylink,
} from '../wasm/index.ts';
import type { Assembly, DefinedItem, Item, NamedImport } from './items.ts';

const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const kindBytes: Record<ExternKind, number> = { func: 0, table: 1, memory: 2, global: 3, tag: 4 };
const importOrder: readonly ExternKind[] = ['memory', 'table', 'global', 'tag', 'func'];

/** Gives every item its index, and every import its name. */
export function number(a: Assembly): NamedImport[] {
  const taken = new Set<string>();
  const imports = importOrder.flatMap((kind) => a.imports.filter((i) => i.kind === kind));
  const named = imports.map((i) =>
    Object.assign(i, { module: patchImportModule, name: unique(i.label, taken) }),
  );
  const spaces: [ExternKind | undefined, readonly Item[]][] = [
    ['func', a.functions],
    ['table', a.tables],
    ['memory', a.memories],
    ['global', a.globals],
    ['tag', a.tags],
    [undefined, a.elements],
    [undefined, a.data],
  ];
  for (const [kind, defined] of spaces) {
    const all = [...imports.filter((i) => i.kind === kind), ...defined];
    for (const [index, item] of all.entries()) item.index = index;
  }
  return named;
}

function unique(label: string, taken: Set<string>): string {
  let name = label;
  for (let n = 2; taken.has(name); n += 1) name = `${label} (${n})`;
  taken.add(name);
  return name;
}

/** The module, without manifest and build id. Items must be numbered. */
export function emit(
  a: Assembly,
  imports: readonly NamedImport[],
  types: TypeTable,
  needs: MemoryInfo,
): Uint8Array<ArrayBuffer> {
  const out = new Writer(4096).raw(header).custom(dylinkSection, writeDylink(needs));
  // Bodies and imports may still add types, so the type section is made after them.
  const later = new Writer(4096);
  const part = new Writer(1024);
  const section = (id: number, items: readonly DefinedItem[]): void => {
    if (items.length === 0) return;
    part.reset().vector(items, (item) => item.write(part));
    later.section(id, part.view());
  };
  if (imports.length > 0) later.section(sectionIds.import, importSection(imports));
  part.reset().vector(a.functions, (f) => part.u32(f.type()));
  later.section(sectionIds.function, part.view());
  section(sectionIds.table, a.tables);
  section(sectionIds.memory, a.memories);
  section(sectionIds.tag, a.tags);
  section(sectionIds.global, a.globals);
  part.reset().vector(a.exports, (e) => part.name(e.name).u8(kindBytes.func).u32(e.item.index));
  later.section(sectionIds.export, part.view());
  section(sectionIds.element, [...a.elements, ...declaration(a)]);
  if (a.data.length > 0) later.section(sectionIds.dataCount, new Writer(5).u32(a.data.length).view());
  section(sectionIds.code, a.functions.map(sized));
  section(sectionIds.data, a.data);
  out.section(sectionIds.type, types.payload()).raw(later.view());
  return out.custom('name', nameSection(a, imports)).toBytes();
}

function importSection(imports: readonly NamedImport[]): Uint8Array {
  const out = new Writer(1024);
  out.vector(imports, (i) => {
    out.name(i.module).name(i.name).u8(kindBytes[i.kind]);
    i.describe(out);
  });
  return out.view();
}

/** A function whose reference is taken in code must stand in an export, a global or an element segment. */
function declaration(a: Assembly): DefinedItem[] {
  if (a.referenced.length === 0) return [];
  const indices = [...new Set(a.referenced.map((item) => item.index))].sort((x, y) => x - y);
  const write = (out: Writer): void => {
    out
      .u32(3)
      .u8(0)
      .vector(indices, (index) => out.u32(index));
  };
  return [{ index: -1, write }];
}

function sized(item: DefinedItem): DefinedItem {
  const write = (out: Writer): void => {
    const body = new Writer(256);
    item.write(body);
    out.block(body.view());
  };
  return { index: item.index, write };
}

function nameSection(a: Assembly, imports: readonly NamedImport[]): Uint8Array {
  const functions: [number, string][] = [];
  for (const i of imports) if (i.kind === 'func') functions.push([i.index, i.name]);
  for (const f of a.functions) if (f.name !== undefined) functions.push([f.index, f.name]);
  const inner = new Writer(1024);
  inner.vector(functions, ([index, name]) => inner.u32(index).name(name));
  return new Writer(1024).section(1, inner.view()).toBytes();
}
