// The reserved exports of one instance, behind names: slots, the slot table, the program's functions and memories.

import { preparedExports, reservedExport, type SlotMapFunction } from '../patch/index.ts';
import type { FuncIndex, GlobalIndex, SlotIndex, ValType } from '../wasm/index.ts';

/** Place in the slot table. 0 is scratch and, as a slot word, the NOP. */
export type SlotEntry = number;

/** The highest of what a slot map names: functions, slots that are guards, entries of the program's table; -1 where there is none. */
export interface Reach {
  readonly function: FuncIndex;
  readonly guard: SlotIndex;
  readonly tableEntry: number;
}

export class SlotTable {
  readonly #exports: WebAssembly.Exports;
  readonly #table: WebAssembly.Table;
  readonly #set: (slot: number, word: number) => void;
  readonly #fill: (entry: number, func: number) => void;
  #free: SlotEntry[] = [];

  /** `exports` are the instance's own, reserved ones included. Undefined where it is not an instance of a prepared module. */
  static of(exports: WebAssembly.Exports): SlotTable | undefined {
    const table = exports[preparedExports.slots];
    const set = exports[preparedExports.set];
    const fill = exports[preparedExports.fill];
    if (!(table instanceof WebAssembly.Table)) return undefined;
    if (typeof set !== 'function' || typeof fill !== 'function') return undefined;
    return new SlotTable(exports, table, set as SlotTable['write'], fill as SlotTable['write']);
  }

  private constructor(
    exports: WebAssembly.Exports,
    table: WebAssembly.Table,
    set: (slot: number, word: number) => void,
    fill: (entry: number, func: number) => void,
  ) {
    this.#exports = exports;
    this.#table = table;
    this.#set = set;
    this.#fill = fill;
  }

  /**
   * Looks whether what a slot map promises is there, before anything relies on it. All slot words must be 0 still.
   * @throws RangeError
   */
  check({ function: last, guard, tableEntry }: Reach): void {
    expectThere(`function ${last}, which its slot map names`, () => last >= 0 && this.functionAt(last));
    expectThere(`slot ${guard}, which its slot map names`, () => guard >= 0 && this.#set(guard, 0));
    const table = this.reserved('table', 0);
    const entries = table instanceof WebAssembly.Table ? table.length : 0;
    if (tableEntry >= entries)
      throw new RangeError(`its table has ${entries} entries, and its slot map names entry ${tableEntry}`);
  }

  /** Sets one slot word: 0, or an entry of the slot table. */
  write(slot: SlotIndex, word: SlotEntry): void {
    this.#set(slot, word);
  }

  /** Sets the entries of the program's table that are a function's slot: to its own body for 0, or to an entry of the slot table. */
  writeTable(
    { index, tableEntries }: Pick<SlotMapFunction, 'index' | 'tableEntries'>,
    word: SlotEntry,
  ): void {
    const table = this.reserved('table', 0) as WebAssembly.Table;
    const f: unknown = word === 0 ? this.functionAt(index) : this.#table.get(word);
    for (const entry of tableEntries) table.set(entry, f);
  }

  /** The program's function as a function object: with its slot, imported ones included. */
  functionAt(index: FuncIndex): unknown {
    this.#fill(0, index);
    const found: unknown = this.#table.get(0);
    this.#table.set(0, null);
    return found;
  }

  /** The program's global as a patch imports it, as one of that type: one that never changes may be its value. @throws RangeError */
  global(index: GlobalIndex, type: ValType | undefined): WebAssembly.ImportValue {
    const exported = this.reserved('global', index);
    if (exported !== undefined) return exported;
    const ask = this.#exports[preparedExports.value];
    let value: unknown;
    expectThere(`global ${index}`, () => {
      value = (ask as (global: GlobalIndex) => unknown)(index);
    });
    // These hold anything, also what as an import would stand for what it holds: a WebAssembly.Global, of another realm, too.
    return type === 'externref' || type === 'anyref'
      ? new WebAssembly.Global<keyof WebAssembly.ValueTypeMap>({ value: type as 'externref' }, value)
      : (value as WebAssembly.ImportValue);
  }

  /** The program's memory, table, global or tag where it is exported under its reserved name. */
  reserved(kind: 'memory' | 'table' | 'global' | 'tag', index: number): WebAssembly.ExportValue | undefined {
    return this.#exports[reservedExport(kind, index)];
  }

  /** Puts functions in the slot table; nothing calls them until a slot word names their entry. @throws RangeError */
  add(functions: readonly unknown[]): SlotEntry[] {
    const missing = functions.length - this.#free.length;
    if (missing > 0) {
      const first = this.#table.grow(missing);
      for (let i = missing - 1; i >= 0; i -= 1) this.#free.push(first + i);
    }
    const entries = this.#free.splice(this.#free.length - functions.length).reverse();
    functions.forEach((f, i) => void this.#table.set(entries[i] ?? 0, f));
    return entries;
  }

  /** Gives entries back that no slot word names any more. */
  remove(entries: readonly SlotEntry[]): void {
    for (const entry of entries) this.#table.set(entry, null);
    this.#free.push(...entries);
  }
}

function expectThere(what: string, touch: () => unknown): void {
  try {
    touch();
  } catch (cause) {
    throw new RangeError(`it has no ${what}`, { cause });
  }
}
