// One entry of the symbol table that the `linking` section holds (linking.ts), and where data symbols stand in memory.
//
//   symbol := kind:u8 flags:u32 (data:    name [segment:u32 offset:u32 size:u32]  the rest only if defined
//                                section: section:u32
//                                others:  index:u32 [name])                       no name if it is that of the import

import { op, walkConstant } from './instructions.ts';
import type { DataSegment, WasmModule } from './module.ts';
import { Reader } from './reader.ts';

export type SymbolKind = 'func' | 'data' | 'global' | 'section' | 'tag' | 'table';

export interface LinkSymbol {
  readonly kind: SymbolKind;
  /** See `symbolFlags`. */
  readonly flags: number;
  /** The symbol's own name, or that of its import; undefined for a section symbol. */
  readonly name: string | undefined;
  /**
   * Function, global, tag, table or section index; of a data symbol its segment: undefined where the symbol is not
   * defined, or is an absolute address.
   */
  readonly index: number | undefined;
  /** Of a defined data symbol: where it stands in its segment; of an absolute one, its address. */
  readonly offset: number;
  readonly size: number;
}

export const symbolFlags = {
  weak: 1,
  local: 2,
  hidden: 4,
  undefined: 0x10,
  exported: 0x20,
  explicitName: 0x40,
  noStrip: 0x80,
  tls: 0x100,
  absolute: 0x200,
} as const;

/** Is this flag set? */
export function hasFlag(symbol: LinkSymbol, flag: keyof typeof symbolFlags): boolean {
  return (symbol.flags & symbolFlags[flag]) !== 0;
}

/** Who may bind to a symbol: `global` = unique in the program, `weak` = a default, `local` = its object file only. */
export function symbolBinding(symbol: LinkSymbol): 'global' | 'weak' | 'local' {
  if (hasFlag(symbol, 'local')) return 'local';
  return hasFlag(symbol, 'weak') ? 'weak' : 'global';
}

/**
 * A function that nobody defines: its address is 0. A weak one gets a stub from wasm-ld that traps, under a name of its own.
 */
export function isNobody(symbol: LinkSymbol): boolean {
  return hasFlag(symbol, 'undefined') || (symbol.name?.startsWith('undefined_weak:') ?? false);
}

/** Gives the name of import `index` of that kind. */
export type ImportName = (kind: SymbolKind, index: number) => string | undefined;

const kinds: readonly SymbolKind[] = ['func', 'data', 'global', 'section', 'tag', 'table'];

/** Reads one entry of the symbol table. */
export function readSymbol(r: Reader, importName: ImportName): LinkSymbol {
  const start = r.at;
  const kind = kinds[r.u8()] ?? r.fail('unknown symbol kind', start);
  const flags = r.u32();
  const defined = (flags & symbolFlags.undefined) === 0;
  if (kind === 'data') {
    const name = r.name();
    if (!defined) return { kind, flags, name, index: undefined, offset: 0, size: 0 };
    const segment = r.u32();
    // wasm-ld writes segment 0 for an address outside all segments.
    const index = flags & symbolFlags.absolute ? undefined : segment;
    return { kind, flags, name, index, offset: r.u32(), size: r.u32() };
  }
  const index = r.u32();
  const place = { kind, flags, index, offset: 0, size: 0 };
  if (kind === 'section') return { ...place, name: undefined };
  const named = defined || (flags & symbolFlags.explicitName) !== 0;
  return { ...place, name: named ? r.name() : importName(kind, index) };
}

/** Where an active data segment starts, if that is a plain constant (also for other constant expressions). */
export function segmentAddress(m: WasmModule, segment: Pick<DataSegment, 'offset'>): number | undefined {
  if (segment.offset === undefined) return undefined;
  const r = new Reader(m.bytes, segment.offset.start, segment.offset.end);
  let value: number | undefined;
  let instructions = 0;
  walkConstant(r, (i) => {
    instructions += 1;
    const at = new Reader(m.bytes, i.immediate, i.next);
    if (i.opcode === op.i32Const) value = at.s32() >>> 0;
    else if (i.opcode === op.i64Const) value = Number(BigInt.asUintN(64, at.s64()));
  });
  return instructions === 2 ? value : undefined;
}
