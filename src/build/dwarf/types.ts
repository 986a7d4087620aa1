// Types: how large they are, what a person calls them, and how their values are represented in memory.

import type { Entries, Entry } from '../../wasm/dwarf/index.ts';
import { attribute, tag, type Unit, unitAt } from '../../wasm/dwarf/index.ts';
import { isStruct } from './scan.ts';

export interface TypeFacts {
  /** Bytes; undefined where the debug information does not say. */
  readonly size: number | undefined;
  /** As in C, shortened. */
  readonly text: string;
  /** What has the same one may take the place of another in memory: integers of one size, pointers whatever they point to. */
  readonly representation: string;
  /** The struct or union without a name whose members stand in a value of this type, itself or as an array's element. */
  readonly nameless: Entry | undefined;
}

const unknown: TypeFacts = { size: undefined, text: 'void', representation: 'nothing', nameless: undefined };
/** Where a chain of types is cut off. */
const deepest = 16;
const longestText = 256;

const prefixes: Readonly<Record<number, string>> = {
  [tag.structureType]: 'struct',
  [tag.unionType]: 'union',
  [tag.classType]: 'class',
  [tag.enumerationType]: 'enum',
};
const pointers: Readonly<Record<number, string>> = {
  [tag.pointerType]: '*',
  [tag.referenceType]: '&',
  [tag.rvalueReferenceType]: '&&',
  [tag.pointerToMemberType]: '::*',
};
const qualifiers: Readonly<Record<number, string>> = {
  [tag.constType]: 'const ',
  [tag.volatileType]: 'volatile ',
  [tag.restrictType]: '',
  [tag.atomicType]: '_Atomic ',
};
/** DW_ATE_complex_float, DW_ATE_float, DW_ATE_imaginary_float, DW_ATE_decimal_float. */
const floats: readonly number[] = [3, 4, 9, 15];

export class Types {
  readonly #entries: Entries;
  readonly #units: readonly Unit[];
  readonly #known = new Map<number, TypeFacts>();

  constructor(entries: Entries, units: readonly Unit[]) {
    this.#entries = entries;
    this.#units = units;
  }

  /** What the entry's DW_AT_type refers to. */
  of(entry: Entry, depth = 0): TypeFacts {
    const offset = this.#entries.reference(entry, attribute.type);
    if (offset === undefined) return unknown;
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    const unit = unitAt(this.#units, offset);
    const type = unit === undefined ? undefined : this.#entries.at(unit, offset);
    if (type === undefined || depth === deepest) return { ...unknown, text: '...' };
    const facts = this.#facts(type, depth + 1);
    const text = facts.text.length > longestText ? `${facts.text.slice(0, longestText)}...` : facts.text;
    const made = { ...facts, text };
    this.#known.set(offset, made);
    return made;
  }

  #facts(type: Entry, depth: number): TypeFacts {
    const t = type.abbreviation.tag;
    const size = this.#entries.number(type, attribute.byteSize);
    const name = this.#entries.text(type, attribute.name);
    const pointer = pointers[t];
    if (pointer !== undefined) return this.#pointer(type, pointer, depth);
    const qualifier = qualifiers[t];
    if (qualifier !== undefined) return this.#qualified(type, qualifier, depth);
    if (t === tag.typedef) return this.#typedef(type, name ?? '', depth);
    if (t === tag.arrayType) return this.#array(type, depth);
    const prefix = prefixes[t];
    if (prefix === undefined) return { ...unknown, ...this.#base(type, name), size };
    const text = `${prefix} ${name ?? '{...}'}`;
    if (t === tag.enumerationType) return { ...unknown, size, text, representation: 'integer' };
    const nameless = name === undefined && isStruct(type) ? type : undefined;
    return { size, text, representation: name === undefined ? prefix : text, nameless };
  }

  #base(type: Entry, name: string | undefined): Pick<TypeFacts, 'text' | 'representation'> {
    const t = type.abbreviation.tag;
    if (t === tag.subroutineType) return { text: '(function)', representation: 'function' };
    if (t !== tag.baseType) return { text: name ?? '?', representation: name ?? 'unknown' };
    const encoding = this.#entries.number(type, attribute.encoding) ?? 0;
    return { text: name ?? '?', representation: floats.includes(encoding) ? 'float' : 'integer' };
  }

  #pointer(type: Entry, sign: string, depth: number): TypeFacts {
    const { text } = this.of(type, depth);
    const size = this.#entries.number(type, attribute.byteSize) ?? type.unit.addressSize;
    return { ...unknown, size, text: `${text} ${sign}`, representation: 'pointer' };
  }

  #qualified(type: Entry, qualifier: string, depth: number): TypeFacts {
    const facts = this.of(type, depth);
    return { ...facts, text: qualifier + facts.text };
  }

  /** A typedef gives a name to what has none. */
  #typedef(type: Entry, name: string, depth: number): TypeFacts {
    const facts = this.of(type, depth);
    const representation = facts.nameless === undefined ? facts.representation : `struct ${name}`;
    return { ...facts, text: name, representation, nameless: undefined };
  }

  #array(type: Entry, depth: number): TypeFacts {
    const element = this.of(type, depth);
    const counts = this.#entries
      .children(type)
      .filter((c) => c.abbreviation.tag === tag.subrangeType)
      .map((c) => this.#count(c));
    const known = counts.reduce<number>((product, n) => product * (n ?? 0), 1);
    const size = this.#entries.number(type, attribute.byteSize) ?? (element.size ?? 0) * known;
    const text = element.text + counts.map((n) => `[${n ?? ''}]`).join('');
    return { ...element, size, text, representation: `${element.representation}[]` };
  }

  #count(range: Entry): number | undefined {
    const count = this.#entries.number(range, attribute.count);
    if (count !== undefined) return count;
    const last = this.#entries.number(range, attribute.upperBound);
    // A flexible array may say -1.
    return last === undefined || last >= 0xffffffff ? undefined : last + 1;
  }
}
