// Entries of `.debug_info`: what a compiler says of one function, type or member. An entry is known by its offset in the
// file; units.ts says which unit it stands in.

import { Reader } from '../index.ts';
import type { Abbreviation } from './abbreviations.ts';
import { form } from './constants.ts';
import { isAddressIndex, isTextIndex, isUnitReference, readValue, skipValue, type Value } from './forms.ts';
import type { DebugSections } from './sections.ts';
import type { Unit } from './units.ts';

export interface Entry {
  readonly unit: Unit;
  readonly offset: number;
  readonly abbreviation: Abbreviation;
  /** Where the values of its attributes stand. */
  readonly values: number;
}

/** Deeper than this no program nests its blocks. */
const deepest = 1000;

export class Entries {
  readonly #sections: DebugSections;

  constructor(sections: DebugSections) {
    this.#sections = sections;
  }

  fail({ offset }: Entry, what: string): never {
    return new Reader(this.#sections.module.bytes).fail(what, offset);
  }

  /** See DebugSections.charge. */
  charge({ offset }: Entry, size: number): void {
    this.#sections.charge(new Reader(this.#sections.module.bytes, offset), size);
  }

  /** The entry at that offset; undefined for the null entry that ends a list of children. */
  at(unit: Unit, offset: number): Entry | undefined {
    const r = new Reader(this.#sections.module.bytes, offset, unit.end);
    if (offset < unit.entries) r.fail('a reference in the debug information leads nowhere');
    const code = r.u32();
    if (code === 0) return undefined;
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined)
      return r.fail(`unknown abbreviation ${code} in the debug information`, offset);
    return { unit, offset, abbreviation, values: r.at };
  }

  /** Where the entry's children, or what follows it, starts. */
  end({ unit, abbreviation, values }: Entry): number {
    const r = new Reader(this.#sections.module.bytes, values, unit.end);
    if (abbreviation.size !== undefined) r.skip(abbreviation.size);
    else for (const a of abbreviation.attributes) skipValue(this.#sections, r, a.form, unit.addressSize);
    return r.at;
  }

  /** The entry's attribute, if it has it. */
  get({ unit, abbreviation, values }: Entry, name: number): Value | undefined {
    if (!abbreviation.attributes.some((a) => a.name === name)) return undefined;
    const r = new Reader(this.#sections.module.bytes, values, unit.end);
    for (const a of abbreviation.attributes) {
      if (a.name === name)
        return readValue(this.#sections, r, a.form, { implicit: a.implicit, addressSize: unit.addressSize });
      skipValue(this.#sections, r, a.form, unit.addressSize);
    }
    return undefined;
  }

  /** A number; undefined where the attribute is none, or is computed when the program runs. */
  number(entry: Entry, name: number): number | undefined {
    const found = this.get(entry, name);
    return found === undefined || found.size > 0 ? undefined : found.value;
  }

  flag(entry: Entry, name: number): boolean {
    return this.number(entry, name) === 1;
  }

  text(entry: Entry, name: number): string | undefined {
    const found = this.get(entry, name);
    return found === undefined ? undefined : this.#textOf(entry.unit, found);
  }

  #textOf(unit: Unit, { form: f, value }: Value): string | undefined {
    const s = this.#sections;
    if (f === form.string) return s.text(new Reader(s.module.bytes, value, unit.end));
    if (f === form.strp) return s.text(s.reader('.debug_str', value));
    if (f === form.lineStrp) return s.text(s.reader('.debug_line_str', value));
    if (!isTextIndex(f)) return undefined;
    const offset = s.fixed(s.reader('.debug_str_offsets', unit.textsBase + 4 * value), 4);
    return s.text(s.reader('.debug_str', offset));
  }

  address(entry: Entry, name: number): number | undefined {
    const found = this.get(entry, name);
    if (found === undefined) return undefined;
    if (found.form === form.addr) return found.value;
    if (!isAddressIndex(found.form)) return undefined;
    const { addressSize, addressesBase } = entry.unit;
    const r = this.#sections.reader('.debug_addr', addressesBase + addressSize * found.value);
    return addressSize === 8 ? this.#sections.fixed64(r) : this.#sections.fixed(r, 4);
  }

  /** The offset of the entry that this attribute refers to; undefined also for one in another file. */
  reference(entry: Entry, name: number): number | undefined {
    const found = this.get(entry, name);
    if (found === undefined) return undefined;
    if (isUnitReference(found.form)) return entry.unit.start + found.value;
    return found.form === form.refAddr ? this.#sections.reader('.debug_info').at + found.value : undefined;
  }

  /** Calls `visit` for each entry of a unit, with those that it stands in, the outermost first. */
  walk(unit: Unit, visit: (entry: Entry, parents: readonly Entry[]) => void): void {
    const parents: Entry[] = [];
    for (let at = unit.entries; at < unit.end; ) {
      const entry = this.at(unit, at);
      if (entry === undefined) {
        // Null entries after the last one are padding.
        parents.pop();
        at += 1;
        continue;
      }
      visit(entry, parents);
      at = this.end(entry);
      if (!entry.abbreviation.hasChildren) continue;
      if (parents.push(entry) > deepest)
        new Reader(this.#sections.module.bytes, at).fail('entries nest too deep');
    }
  }

  /** The entry's own children, not theirs. */
  children(entry: Entry): Entry[] {
    const found: Entry[] = [];
    const start = this.end(entry);
    if (!entry.abbreviation.hasChildren) return found;
    let at = start;
    for (let depth = 1; depth > 0 && at < entry.unit.end; ) {
      const child = this.at(entry.unit, at);
      if (child === undefined) {
        depth -= 1;
        at += 1;
        continue;
      }
      if (depth === 1) found.push(child);
      at = this.end(child);
      if (child.abbreviation.hasChildren) depth += 1;
    }
    this.#sections.charge(new Reader(this.#sections.module.bytes, start), at - start);
    return found;
  }
}
