// Writes a synthesised unit as a module.

import {
  dylinkSection,
  type GlobalIndex,
  type Import,
  type MemoryInfo,
  op,
  sectionIds,
  type TypeIndex,
  type TypeTable,
  Writer,
  writeDylink,
} from '../wasm/index.ts';

export interface ImportedItem {
  readonly kind: Import['kind'];
  readonly module: string;
  readonly name: string;
  readonly describe: (out: Writer) => void;
}

export interface UnitParts {
  readonly types: TypeTable;
  readonly imports: readonly ImportedItem[];
  readonly functions: readonly {
    readonly type: TypeIndex;
    readonly name: string | undefined;
    readonly body: Uint8Array;
  }[];
  /** Immutable i32 globals: a base and the distance from it. */
  readonly globals: readonly { readonly base: GlobalIndex; readonly offset: number }[];
  readonly exports: readonly { readonly name: string; readonly index: number }[];
  /** Functions for the program's table, from the table base. */
  readonly entries: readonly number[];
  readonly tableBase: GlobalIndex;
  /** Segments, by their distance from the memory base. */
  readonly data: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  readonly memoryBase: GlobalIndex;
  /** Segments that code uses, by their places; only where there are no others. */
  readonly passive?: {
    readonly data: readonly Uint8Array[];
    readonly elements: readonly ((out: Writer) => void)[];
  };
  readonly needs: MemoryInfo;
}

const kindBytes = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

export function emitUnit(unit: UnitParts): Uint8Array<ArrayBuffer> {
  const out = new Writer(4096)
    .raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    .custom(dylinkSection, writeDylink(unit.needs));
  const section = (id: number, items: number, write: (w: Writer) => void): void => {
    if (items === 0) return;
    const payload = new Writer(1024);
    write(payload);
    out.section(id, payload.view());
  };
  const { types, imports, functions, globals, entries, data, passive = { data: [], elements: [] } } = unit;
  section(sectionIds.type, types.size, (w) => w.raw(types.payload()));
  section(sectionIds.import, imports.length, (w) =>
    w.vector(imports, (i) => i.describe(w.name(i.module).name(i.name).u8(kindBytes[i.kind]))),
  );
  section(sectionIds.function, functions.length, (w) => w.vector(functions, (f) => w.u32(f.type)));
  section(sectionIds.global, globals.length, (w) =>
    w.vector(globals, ({ base, offset }) => writeDistance(w.u8(0x7f).u8(0), base, offset)),
  );
  section(sectionIds.export, unit.exports.length, (w) =>
    w.vector(unit.exports, (e) => w.name(e.name).u8(kindBytes.func).u32(e.index)),
  );
  section(sectionIds.element, entries.length, (w) => {
    w.u32(1).u32(0);
    writeDistance(w, unit.tableBase, 0);
    w.vector(entries, (f) => w.u32(f));
  });
  section(sectionIds.element, passive.elements.length, (w) =>
    w.vector(passive.elements, (write) => write(w)),
  );
  section(sectionIds.dataCount, passive.data.length, (w) => w.u32(passive.data.length));
  section(sectionIds.code, functions.length, (w) => w.vector(functions, (f) => w.block(f.body)));
  section(sectionIds.data, data.length, (w) =>
    w.vector(data, ({ offset, bytes }) => {
      writeDistance(w.u32(0), unit.memoryBase, offset);
      w.block(bytes);
    }),
  );
  section(sectionIds.data, passive.data.length, (w) =>
    w.vector(passive.data, (bytes) => w.u32(1).block(bytes)),
  );
  return out.custom('name', nameSection(unit)).toBytes();
}

function writeDistance(out: Writer, base: GlobalIndex, offset: number): void {
  out.u8(op.globalGet).u32(base);
  if (offset !== 0) out.u8(op.i32Const).s32(offset).u8(op.i32Add);
  out.u8(op.end);
}

function nameSection({ imports, functions }: UnitParts): Uint8Array {
  const imported = imports.filter((i) => i.kind === 'func').length;
  const named = functions.flatMap((f, i): [number, string][] =>
    f.name === undefined ? [] : [[imported + i, f.name]],
  );
  const names = new Writer(1024);
  names.vector(named, ([index, name]) => names.u32(index).name(name));
  return new Writer(1024).section(1, names.view()).toBytes();
}
