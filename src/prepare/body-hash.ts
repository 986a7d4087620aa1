// The hashes of function bodies, as the slot map carries them and run-pre matching (Ksplice) compares them.
//
//   plain:     SHA-256(locals vector, instructions, final `end`)
//   relocated: SHA-256((size:u32 bytes  identity:name)*  size:u32 bytes)     the bytes between the relocated fields
//
// Where the linker left relocations, each field that it filled in is replaced by what it stands for, so that a function
// does not look changed because another function or a string moved.

import { hash } from 'node:crypto';
import { WgraftError } from '../errors.ts';
import type { HashKind } from '../patch/index.ts';
import {
  type Body,
  checkRelocations,
  type LinkSymbol,
  type Relocation,
  readLinking,
  readRelocations,
  type Section,
  sectionIds,
  showFuncType,
  type WasmModule,
  Writer,
} from '../wasm/index.ts';

export const hashBytes = 32;

export interface BodyHashes {
  readonly kind: HashKind;
  /** One after the other, 32 bytes each. */
  readonly bytes: Uint8Array;
}

/** The hash of each body, in order. */
export function hashBodies(m: WasmModule): BodyHashes {
  const relocations = soundRelocations(m);
  if (relocations === undefined)
    return { kind: 'plain', bytes: hashEach(m, (body) => m.bytes.subarray(body.start, body.end)) };
  const identify = identifier(m);
  const out = new Writer(4096);
  let next = 0;
  const describe = (body: Body): Uint8Array => {
    let from = body.start;
    out.reset();
    for (; next < relocations.length; next += 1) {
      const { at, entry } = relocations[next] ?? { at: body.end };
      if (entry === undefined || at >= body.end) break;
      if (at < from) continue; // before the first body, or a second relocation of the same field
      out.block(m.bytes.subarray(from, at)).name(identify(entry));
      from = at + entry.type.width;
    }
    return out.block(m.bytes.subarray(from, body.end)).view();
  };
  return { kind: 'relocated', bytes: hashEach(m, describe) };
}

function hashEach(m: WasmModule, content: (body: Body) => Uint8Array): Uint8Array {
  const hashes = Buffer.alloc(m.bodies.length * hashBytes);
  m.bodies.forEach((body, i) => {
    // A string costs half of what a Buffer does here, and modules have 100 000 bodies.
    hashes.write(hash('sha256', content(body), 'latin1'), i * hashBytes, 'latin1');
  });
  return hashes;
}

interface PlacedRelocation {
  /** Offset in the file. */
  readonly at: number;
  readonly entry: Relocation;
}

/** The relocations of the code section in file order; undefined without them, or where they are not to be trusted. */
function soundRelocations(m: WasmModule): PlacedRelocation[] | undefined {
  if (!m.sections.some((s) => s.id === sectionIds.custom && s.name === 'reloc.CODE')) return undefined;
  try {
    if (checkRelocations(m).kind !== 'sound') return undefined;
    const ofCode = (target: Section | undefined): target is Section => target?.id === sectionIds.code;
    return readRelocations(m)
      .flatMap(({ target, entries }) =>
        ofCode(target) ? entries.map((entry) => ({ at: target.payload + entry.offset, entry })) : [],
      )
      .sort((a, b) => a.at - b.at);
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) return undefined;
    throw error;
  }
}

/** Gives what a relocated field stands for, in words that stay the same when things move. */
function identifier(m: WasmModule): (entry: Relocation) => string {
  const symbols = readLinking(m)?.symbols ?? [];
  return ({ type, index, addend }) => {
    if (type.target === 'type') {
      const found = m.types[index];
      return `type ${found?.kind === 'func' ? showFuncType(found) : index}`;
    }
    const symbol = symbols[index];
    const what = symbol === undefined ? `#${index}` : identifySymbol(m, symbol);
    return `${type.name} ${what} ${addend}`;
  };
}

/**
 * A name, where the program gave one. What the compiler names by number (`.L.str.5`) is known by its content: the number
 * is another one as soon as a string is added before it.
 */
function identifySymbol(m: WasmModule, { kind, name, index, offset, size }: LinkSymbol): string {
  if (kind !== 'data' || index === undefined || (name !== undefined && !name.startsWith('.L')))
    return `${kind} ${name ?? `#${index}`}`;
  const segment = m.data[index];
  if (segment === undefined) return `${kind} ${name}`;
  const start = segment.content.start + offset;
  return `content ${hash('sha256', m.bytes.subarray(start, start + size), 'hex')}`;
}
