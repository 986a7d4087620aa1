// A type section that is put together from the types of several modules. Equal types get equal indices, so it also
// answers whether types of two modules are the same. Equality is the specification's: group by group, members by position.

import type { TypeIndex } from './indices.ts';
import type { WasmModule } from './module.ts';
import { Reader } from './reader.ts';
import { copyTypeGroup } from './renumber.ts';
import { sectionIds } from './sections.ts';
import type { FuncType, ValType } from './types.ts';
import { Writer } from './writer.ts';

interface TypeGroup {
  /** Index of the group's first type. */
  readonly first: TypeIndex;
  readonly count: number;
  readonly start: number;
  readonly end: number;
}

const plainTypes: Readonly<Record<ValType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

export class TypeTable {
  readonly #firstOf = new Map<string, TypeIndex>();
  readonly #groups: Uint8Array[] = [];
  readonly #done = new Map<WasmModule, Map<TypeGroup, TypeIndex>>();
  /** The group of each type. */
  readonly #groupsOf = new Map<WasmModule, readonly TypeGroup[]>();
  #types = 0;

  /** The index here of type `index` of module `m`; types that it refers to are added before it. */
  add(m: WasmModule, index: TypeIndex): TypeIndex {
    const group = this.#groupOf(m, index);
    return this.#addGroup(m, group) + (index - group.first);
  }

  /** The index here of a function type of numbers only. */
  addFunction(type: Pick<FuncType, 'params' | 'results'>): TypeIndex {
    const out = new Writer(16).u8(0x60);
    for (const list of [type.params, type.results]) out.vector(list, (t) => out.u8(plainTypes[t] ?? 0x40));
    return this.#enter(out.toBytes(), 1);
  }

  /** Payload of the type section. */
  payload(): Uint8Array {
    const out = new Writer();
    return out.vector(this.#groups, (group) => out.raw(group)).toBytes();
  }

  get size(): number {
    return this.#types;
  }

  #addGroup(m: WasmModule, group: TypeGroup): TypeIndex {
    const done = this.#done.get(m) ?? new Map<TypeGroup, TypeIndex>();
    this.#done.set(m, done);
    const known = done.get(group);
    if (known !== undefined) return known;
    const inside = (index: number): boolean => index >= group.first && index < group.first + group.count;
    this.#visit(m, group, (index) => (inside(index) ? index : this.add(m, index)));
    // Members refer to each other by their place in the group while groups are compared.
    const key = this.#visit(m, group, (index) =>
      inside(index) ? index - group.first : group.count + this.add(m, index),
    );
    const found = this.#firstOf.get(hex(group.count, key));
    const first = found ?? this.#types;
    if (found === undefined) {
      const bytes = this.#visit(m, group, (index) =>
        inside(index) ? first + index - group.first : this.add(m, index),
      );
      this.#push(hex(group.count, key), bytes, group.count);
    }
    done.set(group, first);
    return first;
  }

  #visit(m: WasmModule, group: TypeGroup, map: (index: number) => number): Uint8Array {
    const out = new Writer(group.end - group.start + 16);
    copyTypeGroup(new Reader(m.bytes, group.start, group.end), out, (_, index) => map(index));
    return out.toBytes();
  }

  #enter(bytes: Uint8Array, count: number): TypeIndex {
    const key = hex(count, bytes);
    return this.#firstOf.get(key) ?? this.#push(key, bytes, count);
  }

  #push(key: string, bytes: Uint8Array, count: number): TypeIndex {
    const first = this.#types;
    this.#firstOf.set(key, first);
    this.#groups.push(bytes);
    this.#types += count;
    return first;
  }

  #groupOf(m: WasmModule, index: TypeIndex): TypeGroup {
    const groups = this.#groupsOf.get(m) ?? readTypeGroups(m);
    this.#groupsOf.set(m, groups);
    return groups[index] ?? new Reader(m.bytes).fail(`type ${index} does not exist`, 0);
  }
}

/** The key of a group. A group of one and a final type without supertypes have a short form, which means the same. */
function hex(count: number, raw: Uint8Array): string {
  let bytes = raw;
  if (count === 1 && bytes[0] === 0x4e) bytes = bytes.subarray(2);
  if (count === 1 && bytes[0] === 0x4f && bytes[1] === 0) bytes = bytes.subarray(2);
  return `${count}:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/** The group of each type. */
function readTypeGroups(m: WasmModule): TypeGroup[] {
  const section = m.sections.find((s) => s.id === sectionIds.type);
  if (section === undefined) return [];
  const r = new Reader(m.bytes, section.payload, section.end);
  const nothing = new Writer();
  let first = 0;
  const groups = r.vector('types', () => {
    const start = r.at;
    let count = 1;
    if (r.bytes[start] === 0x4e) count = new Reader(m.bytes, start + 1, r.end).u32();
    copyTypeGroup(r, nothing.reset(), (_, index) => index);
    const group = { first, count, start, end: r.at };
    first += count;
    return group;
  });
  return groups.flatMap((group) => Array<TypeGroup>(group.count).fill(group));
}
