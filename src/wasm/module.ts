// What a module declares: everything but the insides of its function bodies. Reading it is linear in the size of the
// declarations; bodies and data are only located.

import type { FuncIndex, MemoryIndex, TableIndex, TypeIndex } from './indices.ts';
import { op, walkConstant } from './instructions.ts';
import { Reader } from './reader.ts';
import { readSections, type Section, sectionIds, sectionReader } from './sections.ts';
import { type FuncType, readTypes, readValType, type TypeEntry, type ValType } from './types.ts';

export type ExternKind = 'func' | 'table' | 'memory' | 'global' | 'tag';

/** A byte range in the file. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Limits {
  readonly flags: number;
  readonly min: bigint;
  readonly max: bigint | undefined;
}

export interface TableType {
  readonly element: ValType;
  readonly limits: Limits;
}

export interface GlobalType {
  readonly type: ValType;
  readonly mutable: boolean;
}

export type Import = Range & { readonly module: string; readonly name: string } & (
    | { readonly kind: 'func'; readonly type: TypeIndex }
    | { readonly kind: 'table'; readonly table: TableType }
    | { readonly kind: 'memory'; readonly limits: Limits }
    | { readonly kind: 'global'; readonly global: GlobalType }
    | { readonly kind: 'tag'; readonly type: TypeIndex }
  );

/** Both names of an import as one, for maps: either may hold any character. */
export function importKey({ module, name }: Pick<Import, 'module' | 'name'>): string {
  return JSON.stringify([module, name]);
}

export interface Export {
  readonly name: string;
  readonly kind: ExternKind;
  readonly index: number;
}

/** A table; `init` is the range of its initialiser where it has one. Imported tables have an empty range. */
export interface Table extends TableType, Range {
  readonly init: Range | undefined;
}

export interface Global extends GlobalType {
  /** The initialiser with its `end`; undefined for an imported global. */
  readonly init: Range | undefined;
}

export interface ElementSegment extends Range {
  readonly mode: 'active' | 'passive' | 'declarative';
  readonly table: TableIndex;
  /** The offset expression of an active segment, with its `end`. */
  readonly offset: Range | undefined;
  /** The vector of its entries, count included: function indices, or constant expressions. */
  readonly entries: Range;
  readonly expressions: boolean;
  /** The functions it names, in order; undefined stands for an entry that names none (ref.null, a global). */
  readonly functions: readonly (FuncIndex | undefined)[];
}

export interface DataSegment extends Range {
  readonly mode: 'active' | 'passive';
  readonly memory: MemoryIndex;
  readonly offset: Range | undefined;
  /** Where its bytes stand. */
  readonly content: Range;
}

/** One function body: `start` is its locals vector (after the size), `end` the byte after its last `end`. */
export type Body = Range;

export interface WasmModule {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly types: readonly TypeEntry[];
  readonly imports: readonly Import[];
  /** Type of each function, imports first. */
  readonly functions: readonly TypeIndex[];
  readonly tables: readonly Table[];
  readonly memories: readonly Limits[];
  readonly globals: readonly Global[];
  readonly tags: readonly TypeIndex[];
  readonly exports: readonly Export[];
  readonly start: FuncIndex | undefined;
  readonly elements: readonly ElementSegment[];
  /** Bodies of the defined functions, in order. */
  readonly bodies: readonly Body[];
  readonly data: readonly DataSegment[];
  readonly imported: Readonly<Record<ExternKind, number>>;
  /** The imports of each kind, by their indices. */
  readonly importsOf: { readonly [K in ExternKind]: readonly Extract<Import, { kind: K }>[] };
}

const kinds: readonly ExternKind[] = ['func', 'table', 'memory', 'global', 'tag'];
/** V8's limit on everything that a module declares. Beyond it a file is not worth the memory that reading it takes. */
const mostDeclared = 1_000_000;

/** Reads a module's declarations. @throws WGRAFT_ERR_WASM_MALFORMED with the byte offset */
export function readModule(bytes: Uint8Array): WasmModule {
  const sections = readSections(bytes);
  const payload = <T>(id: number, read: (r: Reader) => T, none: T): T => {
    const section = sections.find((s) => s.id === id);
    if (section === undefined) return none;
    const r = sectionReader(bytes, section);
    const result = read(r);
    r.finish(`section "${section.name}"`);
    return result;
  };
  const list = <T>(id: number, what: string, read: (r: Reader) => T): T[] =>
    payload(id, (r) => r.vector(what, () => read(r), 1, mostDeclared), []);

  const types = payload(sectionIds.type, (r) => readTypes(r, mostDeclared), []);
  const imports = list(sectionIds.import, 'imports', readImport);
  const of = <K extends ExternKind>(kind: K): Extract<Import, { kind: K }>[] =>
    imports.filter((i): i is Extract<Import, { kind: K }> => i.kind === kind);

  const importsOf = {
    func: of('func'),
    table: of('table'),
    memory: of('memory'),
    global: of('global'),
    tag: of('tag'),
  };
  const module: WasmModule = {
    bytes,
    sections,
    types,
    imports,
    functions: [
      ...importsOf.func.map((i) => i.type),
      ...list(sectionIds.function, 'functions', (r) => r.u32()),
    ],
    tables: [
      ...importsOf.table.map((i): Table => ({ ...i.table, start: i.end, end: i.end, init: undefined })),
      ...list(sectionIds.table, 'tables', readTable),
    ],
    memories: [...importsOf.memory.map((i) => i.limits), ...list(sectionIds.memory, 'memories', readLimits)],
    globals: [
      ...importsOf.global.map((i): Global => ({ ...i.global, init: undefined })),
      ...list(sectionIds.global, 'globals', (r): Global => ({ ...readGlobalType(r), init: constant(r) })),
    ],
    tags: [...importsOf.tag.map((i) => i.type), ...list(sectionIds.tag, 'tags', readTag)],
    exports: list(sectionIds.export, 'exports', readExport),
    start: payload(sectionIds.start, (r): number | undefined => r.u32(), undefined),
    elements: list(sectionIds.element, 'element segments', readElement),
    bodies: list(sectionIds.code, 'bodies', readBody),
    data: list(sectionIds.data, 'data segments', readData),
    imported: {
      func: importsOf.func.length,
      table: importsOf.table.length,
      memory: importsOf.memory.length,
      global: importsOf.global.length,
      tag: importsOf.tag.length,
    },
    importsOf,
  };
  check(module);
  return module;
}

/** The checks that every later step relies on; the rest of validation is the engine's. */
function check(m: WasmModule): void {
  const r = new Reader(m.bytes);
  const code = m.sections.find((s) => s.id === sectionIds.code);
  const defined = m.functions.length - m.imported.func;
  if (defined !== m.bodies.length) {
    r.fail(`${defined} functions declared, ${m.bodies.length} bodies found`, code?.start ?? m.bytes.length);
  }
  for (const type of m.functions)
    if (m.types[type]?.kind !== 'func') r.fail(`type ${type} is not a function type`, 8);
  const spaces: Record<ExternKind, number> = {
    func: m.functions.length,
    table: m.tables.length,
    memory: m.memories.length,
    global: m.globals.length,
    tag: m.tags.length,
  };
  for (const e of m.exports) {
    if (e.index >= spaces[e.kind])
      r.fail(`export "${e.name}" names ${e.kind} ${e.index}, which does not exist`, 8);
  }
  for (const segment of m.elements) {
    const beyond = segment.functions.find((f) => f !== undefined && f >= m.functions.length);
    if (beyond !== undefined)
      r.fail(`element segment names function ${beyond}, which does not exist`, segment.start);
  }
}

/** The type of a function. The index must be of this module. */
export function funcType(m: WasmModule, index: FuncIndex): FuncType {
  const type = m.types[m.functions[index] ?? -1];
  if (type?.kind !== 'func') return new Reader(m.bytes).fail(`function ${index} does not exist`, 0);
  return type;
}

function readImport(r: Reader): Import {
  const start = r.at;
  const module = r.name();
  const name = r.name();
  const place = r.at;
  const kind = kinds[r.u8()];
  const done = <T>(rest: T): T & { module: string; name: string } & Range => ({
    module,
    name,
    ...rest,
    start,
    end: r.at,
  });
  switch (kind) {
    case 'func': {
      const type: TypeIndex = r.u32();
      return done({ kind, type });
    }
    case 'table': {
      const table = readTableType(r);
      return done({ kind, table });
    }
    case 'memory': {
      const limits = readLimits(r);
      return done({ kind, limits });
    }
    case 'global': {
      const global = readGlobalType(r);
      return done({ kind, global });
    }
    case 'tag': {
      const type: TypeIndex = readTag(r);
      return done({ kind, type });
    }
    default:
      return r.fail(`unknown import kind 0x${(r.bytes[place] ?? 0).toString(16)}`, place);
  }
}

function readLimits(r: Reader): Limits {
  const start = r.at;
  const flags = r.u8();
  if (flags > 0x0f) r.fail(`unknown limits flags ${flags}`, start);
  const min = r.u64();
  const max = flags & 1 ? r.u64() : undefined;
  if (flags & 8) r.u32(); // custom page size, as a power of two
  return { flags, min, max };
}

function readTableType(r: Reader): TableType {
  const element = readValType(r);
  return { element, limits: readLimits(r) };
}

function readTable(r: Reader): Table {
  const start = r.at;
  const initialised = r.bytes[r.at] === 0x40;
  if (initialised) {
    r.u8();
    if (r.u8() !== 0) r.fail('unknown table form', r.at - 1);
  }
  const type = readTableType(r);
  const init = initialised ? constant(r) : undefined;
  return { ...type, init, start, end: r.at };
}

function readGlobalType(r: Reader): GlobalType {
  const type = readValType(r);
  const start = r.at;
  const flags = r.u8();
  if (flags > 3) r.fail(`unknown global flags ${flags}`, start);
  return { type, mutable: (flags & 1) === 1 };
}

function readTag(r: Reader): TypeIndex {
  if (r.u8() !== 0) r.fail('unknown tag attribute', r.at - 1);
  return r.u32();
}

function readExport(r: Reader): Export {
  const name = r.name();
  const place = r.at;
  const kind = kinds[r.u8()];
  if (kind === undefined) r.fail('unknown export kind', place);
  return { name, kind, index: r.u32() };
}

function constant(r: Reader): Range {
  const start = r.at;
  walkConstant(r);
  return { start, end: r.at };
}

// Flags: bit 0 = passive or declarative, bit 1 = explicit table (active) or declarative, bit 2 = expressions.
function readElement(r: Reader): ElementSegment {
  const start = r.at;
  const flags = r.u32();
  if (flags > 7) r.fail(`unknown element segment flags ${flags}`, start);
  const active = (flags & 1) === 0;
  const table: TableIndex = active && flags & 2 ? r.u32() : 0;
  const offset = active ? constant(r) : undefined;
  const expressions = (flags & 4) !== 0;
  if (flags & 3) {
    if (expressions) readValType(r);
    else if (r.u8() !== 0) r.fail('unknown element kind', r.at - 1);
  }
  const vector = r.at;
  const functions = r.vector('elements', () => (expressions ? readElementExpression(r) : r.u32()));
  const mode = active ? 'active' : flags & 2 ? 'declarative' : 'passive';
  const entries = { start: vector, end: r.at };
  return { mode, table, offset, expressions, functions, entries, start, end: r.at };
}

function readElementExpression(r: Reader): FuncIndex | undefined {
  let found: FuncIndex | undefined;
  walkConstant(r, (i) => {
    if (i.opcode === op.refFunc) found = i.index;
  });
  return found;
}

function readBody(r: Reader): Body {
  const body = r.sub(r.u32(), 'function body');
  return { start: body.at, end: body.end };
}

function readData(r: Reader): DataSegment {
  const start = r.at;
  const flags = r.u32();
  if (flags > 2) r.fail(`unknown data segment flags ${flags}`, start);
  const memory: MemoryIndex = flags === 2 ? r.u32() : 0;
  const offset = flags === 1 ? undefined : constant(r);
  const content = r.sub(r.u32(), 'data segment');
  return {
    mode: flags === 1 ? 'passive' : 'active',
    memory,
    offset,
    content: { start: content.at, end: content.end },
    start,
    end: r.at,
  };
}

/** The locals vector of a body: how many runs, and where the first instruction stands. */
export function skipLocals(bytes: Uint8Array, body: Body): number {
  const r = new Reader(bytes, body.start, body.end);
  r.vector(
    'locals',
    () => {
      r.u32();
      readValType(r);
    },
    2,
  );
  return r.at;
}

/** A reader over a body's instructions. */
export function bodyReader(bytes: Uint8Array, body: Body): Reader {
  return new Reader(bytes, skipLocals(bytes, body), body.end);
}
