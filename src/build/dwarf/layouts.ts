// How structs, unions and classes lie in memory. Members of a nameless struct inside are members of the outer one, as the
// program's source sees them: `u.x` where the inner one is a member `u`, plain `x` where it has no name either.

import type { Entries, Entry } from '../../wasm/dwarf/index.ts';
import { attribute, form, tag } from '../../wasm/dwarf/index.ts';
import type { Types } from './types.ts';

export interface StructLayout {
  readonly kind: 'struct' | 'union' | 'class';
  /** With what it stands in: `ns::Outer::Inner`, `f()::Local`. */
  readonly name: string;
  /** Source file of the unit that says so, and where the struct is declared; two of one name are told apart by them. */
  readonly unit: string;
  readonly file: string | undefined;
  readonly size: number | undefined;
  readonly members: readonly Member[];
}

export interface Member {
  readonly name: string;
  /** Byte offset; undefined where it is computed when the program runs (virtual bases). */
  readonly offset: number | undefined;
  /** Of a bit field: its first bit in that byte, and how many it has. */
  readonly bits: { readonly first: number; readonly count: number } | undefined;
  readonly size: number | undefined;
  readonly type: string;
  /** See TypeFacts. */
  readonly representation: string;
}

/** How deep nameless structs are looked into. */
const deepest = 8;

export class Layouts {
  readonly #entries: Entries;
  readonly #types: Types;

  constructor(entries: Entries, types: Types) {
    this.#entries = entries;
    this.#types = types;
  }

  members(struct: Entry): Member[] {
    const found: Member[] = [];
    this.#collect(struct, { prefix: '', base: 0, depth: 0 }, found);
    return found;
  }

  #collect(struct: Entry, at: Place, found: Member[]): void {
    for (const child of this.#entries.children(struct)) {
      const t = child.abbreviation.tag;
      if (t !== tag.member && t !== tag.inheritance) continue;
      // A static member of C++ stands elsewhere.
      if (this.#entries.flag(child, attribute.external) || this.#entries.flag(child, attribute.declaration))
        continue;
      this.#member(child, at, found);
    }
  }

  #member(entry: Entry, { prefix, base, depth }: Place, found: Member[]): void {
    const own = this.#entries.text(entry, attribute.name);
    const type = this.#types.of(entry);
    const place = this.#place(entry, type.size ?? 0);
    const offset = place.offset === undefined ? undefined : base + place.offset;
    const name = entry.abbreviation.tag === tag.inheritance ? `(base ${type.text})` : own;
    if (name !== undefined) {
      const { size, text, representation } = type;
      found.push({ name: prefix + name, offset, bits: place.bits, size, type: text, representation });
    }
    // Nameless structs multiply what a few bytes describe.
    this.#entries.charge(entry, prefix.length + 1);
    if (type.nameless === undefined || offset === undefined || depth === deepest) return;
    const suffix = type.representation.endsWith('[]') ? '[].' : '.';
    const inner = name === undefined ? prefix : `${prefix}${name}${suffix}`;
    this.#collect(type.nameless, { prefix: inner, base: offset, depth: depth + 1 }, found);
  }

  #place(entry: Entry, typeSize: number): { offset: number | undefined; bits: Member['bits'] } {
    const location = this.#entries.get(entry, attribute.dataMemberLocation);
    const isExpression = location !== undefined && (location.size > 0 || location.form === form.exprloc);
    const offset = isExpression ? undefined : (location?.value ?? 0);
    const count = this.#entries.number(entry, attribute.bitSize);
    if (count === undefined) return { offset, bits: undefined };
    const at = this.#entries.number(entry, attribute.dataBitOffset);
    // DWARF 2 and 3 count from the other end of the field's storage.
    const storage = 8 * (this.#entries.number(entry, attribute.byteSize) ?? typeSize);
    const first =
      at ?? 8 * (offset ?? 0) + storage - (this.#entries.number(entry, attribute.bitOffset) ?? 0) - count;
    return { offset: Math.floor(first / 8), bits: { first: first % 8, count } };
  }
}

interface Place {
  readonly prefix: string;
  readonly base: number;
  readonly depth: number;
}
