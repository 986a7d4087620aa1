// The linker: takes from the units what the replacements need, and nothing else, and makes one module of it.
//
// Two rules keep a patch true to what the program would do. A call from one patch function to another function that the
// patch replaces goes through the program's slot, as the program's own calls do, so that a later patch, or a revert, counts for it
// too; only a function that calls itself does so directly. And the address of a replaced function is the program's.

import { WgraftError } from '../errors.ts';
import { callbackExports, type ImportSource, patchDataExport, patchTableExport } from '../patch/index.ts';
import {
  copyBody,
  copyValType,
  type ExternKind,
  type FuncIndex,
  type Import,
  type IndexSpace,
  op,
  Reader,
  type TypeTable,
  Writer,
} from '../wasm/index.ts';
import type { Binding } from './binding.ts';
import type { CallbackName } from './callbacks.ts';
import { writeDataFunction } from './data-function.ts';
import { declarations } from './declarations.ts';
import type { Assembly, DefinedItem, ExportItem, FunctionItem, ImportItem, Item } from './items.ts';
import { originalName, originalPrefix } from './originals.ts';
import type { Placement, Space } from './placement.ts';
import { describeMemory } from './program-item.ts';
import { hasSlot, isGuarded, showTargetFunction, type Target } from './target.ts';
import { findExport, type Unit } from './unit.ts';

/** A unit with everything that linking asks about it. */
export interface LinkUnit {
  readonly unit: Unit;
  readonly placement: Placement;
  /** Distance of its data from the patch's memory base, of its functions from the table base. */
  readonly memoryOffset: number;
  readonly tableOffset: number;
  /** Its replacement functions, with the program's functions that they replace. */
  readonly replacements: ReadonlyMap<FuncIndex, FuncIndex>;
  /** Its functions that are the patch's callbacks. */
  readonly callbacks: ReadonlyMap<CallbackName, FuncIndex>;
  readonly bind: (i: Import) => Binding;
  /** True for the imported memory or table that is the program's. */
  readonly isProgram: Space['isProgram'];
}

export interface LinkResult {
  readonly assembly: Assembly;
  /** The patch's entries of the program's table. */
  readonly tableSize: number;
  readonly replacements: readonly {
    readonly export: string;
    readonly index: FuncIndex;
    readonly item: FunctionItem;
    readonly unit: Unit;
  }[];
  /** Copies of the program's own bodies. */
  readonly originals: readonly { readonly export: string; readonly index: FuncIndex }[];
  readonly callbacks: readonly {
    readonly name: CallbackName;
    readonly export: string;
    readonly item: FunctionItem;
  }[];
}

const emptyType = { params: [], results: [] };

type Kind = ExternKind | 'element' | 'data';

export class Linker {
  readonly #target: Target;
  readonly #types: TypeTable;
  readonly #units: readonly LinkUnit[];
  readonly #items = new Map<string, Item>();
  readonly #imports: ImportItem[] = [];
  readonly #defined: Record<Exclude<Kind, 'func'>, DefinedItem[]> = {
    table: [],
    memory: [],
    global: [],
    tag: [],
    element: [],
    data: [],
  };
  readonly #functions = new Map<string, FunctionItem>();
  readonly #referenced = new Set<Item>();
  /** Functions for the program's table, with their places. */
  readonly #entries: Item[] = [];
  readonly #queue: DefinedItem[] = [];

  /** Replaced functions without a guard: the patch calls its own. */
  readonly #inside = new Map<FuncIndex, () => FunctionItem>();
  /** Copies of the program's own bodies that are called, by the functions that they are of. */
  readonly #originals = new Map<FuncIndex, FunctionItem>();

  constructor(target: Target, types: TypeTable, units: readonly LinkUnit[]) {
    this.#target = target;
    this.#types = types;
    this.#units = units;
    for (const u of units)
      for (const [own, index] of u.replacements)
        if (!isGuarded(target, index)) this.#inside.set(index, () => this.#ownFunction(u, own));
  }

  link(): LinkResult {
    const replacements = this.#units.flatMap((u) =>
      [...u.replacements]
        .filter(([, index]) => hasSlot(this.#target, index))
        .map(([own, index]) => ({
          export: `replacement_${index}`,
          index,
          item: this.#ownFunction(u, own),
          unit: u.unit,
        })),
    );
    const callbacks = this.#units.flatMap((u) =>
      [...u.callbacks].map(([name, own]) => ({
        name,
        export: callbackExports[name],
        item: this.#ownFunction(u, own),
      })),
    );
    for (const u of this.#units) {
      for (const own of u.placement.entries) this.#entries.push(this.#item(u, 'func', own));
    }
    const data = this.#dataFunction();
    const scratch = new Writer(4096);
    // Writing an item may add more of them.
    for (const item of this.#queue) item.write(scratch.reset());
    const originals = [...this.#originals]
      .filter(([index]) => hasSlot(this.#target, index))
      .map(([index, item]) => ({ export: `original_${index}`, index, item }));
    const exports: ExportItem[] = [
      ...[...replacements, ...originals, ...callbacks].map((r) => ({ name: r.export, item: r.item })),
      ...this.#entries.map((item, i) => ({ name: patchTableExport(i), item })),
      ...(data === undefined ? [] : [{ name: patchDataExport, item: data }]),
    ];
    const { table, memory, global, tag, element, data: segments } = this.#defined;
    const assembly: Assembly = {
      imports: this.#imports,
      functions: [...this.#functions.values()],
      tables: table,
      memories: memory,
      globals: global,
      tags: tag,
      elements: element,
      data: segments,
      exports,
      referenced: [...this.#referenced],
    };
    return { assembly, tableSize: this.#entries.length, replacements, originals, callbacks };
  }

  /** What index `index` of a unit's index space is in the patch. `within` is the unit's function whose code asks. */
  #item(u: LinkUnit, space: Kind, index: number, within?: FuncIndex, opcode = 0): Item {
    const replaced = space === 'func' ? u.replacements.get(index) : undefined;
    const redirected = replaced !== undefined && isGuarded(this.#target, replaced);
    if (redirected && (within !== index || opcode === op.refFunc)) return this.#programFunction(replaced);
    const key = `${this.#units.indexOf(u)} ${space} ${index}`;
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const item = this.#makeItem(u, space, index);
    this.#items.set(key, item);
    return item;
  }

  #makeItem(u: LinkUnit, space: Kind, index: number): Item {
    if (space === 'func' && index >= u.unit.module.imported.func) return this.#ownFunction(u, index);
    if (space !== 'element' && space !== 'data' && index < u.unit.module.imported[space]) {
      const found = u.unit.module.importsOf[space][index];
      if (found !== undefined) return this.#imported(u, found);
    }
    if (space === 'func') return new Reader(u.unit.module.bytes).fail(`function ${index} does not exist`, 0);
    return this.#define(space, (out) => declarations[space](u.unit.module, index, out, this.#map(u)));
  }

  #define(space: Exclude<Kind, 'func'>, write: (out: Writer) => void): DefinedItem {
    // What an initialiser refers to must stand before it.
    write(new Writer(64));
    const item: DefinedItem = { index: -1, write };
    this.#defined[space].push(item);
    return item;
  }

  #map(u: LinkUnit, within?: FuncIndex): (space: IndexSpace, index: number, opcode: number) => number {
    return (space, index, opcode) => {
      if (space === 'type') return this.#types.add(u.unit.module, index);
      const item = this.#item(u, space, index, within, opcode);
      if (opcode === op.refFunc) this.#referenced.add(item);
      return item.index;
    };
  }

  #ownFunction(u: LinkUnit, index: FuncIndex): FunctionItem {
    const key = `${this.#units.indexOf(u)} own ${index}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const m = u.unit.module;
    const body =
      m.bodies[index - m.imported.func] ?? new Reader(m.bytes).fail(`function ${index} has no body`, 0);
    const map = this.#map(u, index);
    const name = u.unit.names.get(index);
    return this.#addFunction(key, {
      name,
      generated: ['__wasm_', originalPrefix].some((prefix) => name?.startsWith(prefix)),
      type: () => this.#types.add(m, m.functions[index] ?? 0),
      write: (out) => copyBody(new Reader(m.bytes, body.start, body.end), out, map),
    });
  }

  #addFunction(key: string, f: Omit<FunctionItem, 'index'>): FunctionItem {
    const item: FunctionItem = { ...f, index: -1 };
    this.#functions.set(key, item);
    this.#queue.push(item);
    return item;
  }

  #imported(u: LinkUnit, i: Import): Item {
    const binding = u.bind(i);
    switch (binding.kind) {
      case 'import':
        if (binding.source.from === 'func') return this.#programFunction(binding.source.index);
        return this.#import(i.kind, binding.source, binding.label, (out) =>
          this.#describe(u, i, binding.source, out),
        );
      case 'original':
        return this.#originalCopy(binding.index);
      case 'memory-base':
      case 'table-base':
        return this.#base(u, binding.kind);
      default:
        return this.#valueGlobal(u, i, binding);
    }
  }

  #import(kind: ExternKind, source: ImportSource, label: string, describe: (out: Writer) => void): Item {
    const key = `import ${JSON.stringify(source)}`;
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    describe(new Writer(32));
    const item: ImportItem = { index: -1, kind, source, label, describe };
    this.#imports.push(item);
    this.#items.set(key, item);
    return item;
  }

  #programFunction(index: FuncIndex): Item {
    const inside = this.#inside.get(index);
    if (inside !== undefined) return inside();
    const m = this.#target.module;
    const label = showTargetFunction(this.#target, index);
    return this.#import('func', { from: 'func', index }, label, (out) =>
      out.u32(this.#types.add(m, m.functions[index] ?? 0)),
    );
  }

  /** The type of an import. Memories and tables are taken as large as they are when the patch comes. */
  #describe(u: LinkUnit, i: Import, source: ImportSource, out: Writer): void {
    const r = new Reader(u.unit.module.bytes, i.start, i.end);
    r.name();
    r.name();
    r.u8();
    const map = this.#map(u);
    switch (i.kind) {
      case 'func':
        out.u32(this.#types.add(u.unit.module, i.type));
        return;
      case 'tag':
        out.u8(0).u32(this.#types.add(u.unit.module, i.type));
        return;
      case 'global':
        copyValType(r, out, map);
        // As it is declared, but for GOT entries, which are mutable by convention.
        out.u8(i.global.mutable || source.from === 'function-address' ? 1 : 0);
        return;
      case 'table':
        copyValType(r, out, map);
        out.u8(i.table.limits.flags & 4).u64(0n);
        return;
      case 'memory': {
        const limits =
          (source.from === 'memory' ? this.#target.module.memories[source.index] : undefined) ?? i.limits;
        return describeMemory(out, limits);
      }
    }
  }

  /** The program's own body: originals.ts has brought a copy of it. */
  #originalCopy(index: FuncIndex): Item {
    for (const u of this.#units) {
      const own = findExport(u.unit, 'func', originalName(index));
      if (own === undefined) continue;
      const item = this.#ownFunction(u, own);
      this.#originals.set(index, item);
      return item;
    }
    throw new WgraftError('WGRAFT_ERR_INTERNAL', {
      what: `the original of function ${index} was not brought`,
    });
  }

  /** The start of the unit's part of the patch's memory or table entries. */
  #base(u: LinkUnit, kind: 'memory-base' | 'table-base'): Item {
    return this.#fromBase(kind, kind === 'memory-base' ? u.memoryOffset : u.tableOffset, false);
  }

  /** Memory or table base plus an offset: the import itself, or a global that adds to it. */
  #fromBase(kind: 'memory-base' | 'table-base', offset: number, mutable: boolean): Item {
    const label = kind === 'memory-base' ? 'memory_base' : 'table_base';
    const base = this.#import('global', { from: kind }, label, (out) => out.u8(0x7f).u8(0));
    if (offset === 0 && !mutable) return base;
    const key = `${kind} ${offset} ${mutable}`;
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const sum = this.#define('global', (out) => {
      out
        .u8(0x7f)
        .u8(mutable ? 1 : 0)
        .u8(op.globalGet)
        .u32(base.index);
      if (offset !== 0) out.u8(op.i32Const).s32(offset).u8(op.i32Add);
      out.u8(op.end);
    });
    this.#items.set(key, sum);
    return sum;
  }

  #valueGlobal(u: LinkUnit, i: Import, binding: Binding): Item {
    const mutable = i.kind === 'global' && i.global.mutable;
    switch (binding.kind) {
      case 'address':
        return this.#define('global', (out) => {
          out
            .u8(0x7f)
            .u8(mutable ? 1 : 0)
            .u8(op.i32Const)
            .s32(binding.address | 0)
            .u8(op.end);
        });
      case 'own-address':
        return this.#fromBase('memory-base', u.memoryOffset + binding.offset, mutable);
      case 'own-function-address': {
        const place = this.#entries.push(this.#item(u, 'func', binding.index)) - 1;
        return this.#fromBase('table-base', place, mutable);
      }
      case 'program-constant': {
        const m = this.#target.module;
        const init = m.globals[binding.index]?.init ?? { start: 0, end: 0 };
        const map = this.#map(u);
        return this.#define('global', (out) => {
          const r = new Reader(u.unit.module.bytes, i.start, i.end);
          r.name();
          r.name();
          r.u8();
          copyValType(r, out, map);
          out.u8(0).raw(m.bytes.subarray(init.start, init.end));
        });
      }
      default:
        return new Reader(u.unit.module.bytes).fail(`import "${i.name}" has no value`, i.start);
    }
  }

  #dataFunction(): FunctionItem | undefined {
    const parts = this.#units.map((u) => ({
      ...u,
      map: this.#map(u),
      memoryBase: (): number => this.#base(u, 'memory-base').index,
    }));
    const write = (out: Writer): void => writeDataFunction(out, parts);
    const probe = new Writer(64);
    write(probe);
    if (probe.length <= 2) return undefined;
    const type = (): number => this.#types.addFunction(emptyType);
    return this.#addFunction('data', { name: patchDataExport, generated: true, type, write });
  }
}
