// The imports of a unit that is made here, each once, with their indices.

import { type Import, Writer } from '../wasm/index.ts';
import type { ImportedItem } from './emit-unit.ts';

export class UnitImports {
  readonly #all: ImportedItem[] = [];
  readonly #counts: Record<Import['kind'], number> = { func: 0, table: 0, memory: 0, global: 0, tag: 0 };
  readonly #index = new Map<string, number>();

  /** In the order of their indices. */
  get all(): readonly ImportedItem[] {
    return this.#all;
  }

  count(kind: Import['kind']): number {
    return this.#counts[kind];
  }

  /** The index of an import, which is added where it is not there yet. */
  add(item: ImportedItem): number {
    const key = `${item.kind} ${item.module} ${item.name}`;
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    const index = this.#counts[item.kind];
    this.#counts[item.kind] += 1;
    this.#all.push(item);
    this.#index.set(key, index);
    item.describe(new Writer(16)); // what it refers to is known from now on
    return index;
  }
}
