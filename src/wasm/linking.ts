// The `linking` custom section, version 2 (tool conventions), which `wasm-ld --emit-relocs` keeps in a linked module: the
// symbol table and what the linker knew of segments, constructors and comdat groups. Read only: prepare leaves it out.
//
//   linking := version:u32 (id:u8 size:u32 payload)*      unknown ids are passed over

import type { WasmModule } from './module.ts';
import type { Reader } from './reader.ts';
import { findCustom, sectionReader } from './sections.ts';
import { type ImportName, type LinkSymbol, readSymbol } from './symbols.ts';

/** What the linker knew of one data segment, in the order of the data section. */
export interface SegmentInfo {
  readonly name: string;
  /** As a power of two. */
  readonly alignment: number;
  /** 1 = mergeable strings, 2 = thread-local, 4 = kept although unused. */
  readonly flags: number;
}

/** A constructor; lower priorities run first. */
export interface InitFunction {
  readonly priority: number;
  /** Index in the symbol table. */
  readonly symbol: number;
}

export interface ComdatMember {
  readonly kind: 'data' | 'func' | 'global' | 'tag' | 'table' | 'section';
  readonly index: number;
}

/** Definitions that the linker keeps or drops together. */
export interface Comdat {
  readonly name: string;
  readonly flags: number;
  readonly members: readonly ComdatMember[];
}

export interface Linking {
  readonly symbols: readonly LinkSymbol[];
  readonly segments: readonly SegmentInfo[];
  readonly initFunctions: readonly InitFunction[];
  readonly comdats: readonly Comdat[];
}

const version = 2;
const subsections = { segmentInfo: 5, initFunctions: 6, comdats: 7, symbolTable: 8 } as const;
const memberKinds: readonly ComdatMember['kind'][] = ['data', 'func', 'global', 'tag', 'table', 'section'];

/** Reads the `linking` section; undefined without one. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readLinking(m: WasmModule): Linking | undefined {
  const section = findCustom(m.sections, 'linking');
  if (section === undefined) return undefined;
  const r = sectionReader(m.bytes, section);
  const found = r.u32();
  if (found !== version) r.fail(`linking section of version ${found}`, section.payload);
  const importName = importNames(m);
  let linking: Linking = { symbols: [], segments: [], initFunctions: [], comdats: [] };
  while (!r.done) {
    const id = r.u8();
    const body = r.sub(r.u32(), 'linking subsection');
    linking = { ...linking, ...readSubsection(id, body, importName) };
  }
  return linking;
}

/** The module's symbols, in order; undefined if it has no `linking` section. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readSymbols(m: WasmModule): readonly LinkSymbol[] | undefined {
  return readLinking(m)?.symbols;
}

function readSubsection(id: number, r: Reader, importName: ImportName): Partial<Linking> {
  const whole = <T>(what: string, read: () => T, least: number): T[] => {
    const items = r.vector(what, read, least);
    r.finish(`linking subsection "${what}"`);
    return items;
  };
  switch (id) {
    case subsections.symbolTable:
      return { symbols: whole('symbols', () => readSymbol(r, importName), 3) };
    case subsections.segmentInfo:
      return {
        segments: whole('segments', () => ({ name: r.name(), alignment: r.u32(), flags: r.u32() }), 3),
      };
    case subsections.initFunctions:
      return {
        initFunctions: whole('init functions', () => ({ priority: r.u32(), symbol: r.u32() }), 2),
      };
    case subsections.comdats:
      return { comdats: whole('comdats', () => readComdat(r), 3) };
    default:
      return {};
  }
}

function readComdat(r: Reader): Comdat {
  const name = r.name();
  const flags = r.u32();
  const members = r.vector('comdat members', () => readMember(r), 2);
  return { name, flags, members };
}

function readMember(r: Reader): ComdatMember {
  const start = r.at;
  const kind = memberKinds[r.u8()] ?? r.fail('unknown kind of comdat member', start);
  return { kind, index: r.u32() };
}

function importNames(m: WasmModule): ImportName {
  const names = new Map<string, string[]>();
  for (const i of m.imports) {
    const list = names.get(i.kind) ?? [];
    list.push(i.name);
    names.set(i.kind, list);
  }
  return (kind, index) => names.get(kind)?.[index];
}
