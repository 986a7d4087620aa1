// Makes of the new build's functions and data a module like one that a person wrote for a patch: it imports the program's
// functions from "target", places its data at "memory_base" and its function addresses at "table_base". From there on it is
// linked like any other.

import { WgraftError } from '../../errors.ts';
import {
  type FuncIndex,
  funcType,
  type GlobalIndex,
  type Import,
  type IndexSpace,
  numberTypes,
  Reader,
  TypeTable,
  Writer,
} from '../../wasm/index.ts';
import type { Build, BuildFunction } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';
import { correlateImports } from '../compare/correlate.ts';
import { emitUnit } from '../emit-unit.ts';
import { describeMemory } from '../program-item.ts';
import type { Target } from '../target.ts';
import { UnitImports } from '../unit-imports.ts';
import type { Address } from './addresses.ts';
import { Addresses, type FunctionPlaces, type OpenAddress } from './addresses.ts';
import { callbackFunctions } from './entries.ts';
import { placeData } from './own-data.ts';
import { addressesIn, type CodeContext, copyRelocated } from './relocated-code.ts';
import { preparedFunctions, type Selection } from './selection.ts';

export interface Synthesis {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Functions that the patch brings besides those that replace the program's. */
  readonly added: readonly BuildFunction[];
  readonly addresses: Addresses;
}

/** What the name of a replacement is in the synthesised module. */
export function replacementName(prepared: FuncIndex): string {
  return `#${prepared}`;
}

/** @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_SYMBOL_AMBIGUOUS */
export function synthesise(comparison: Comparison, selection: Selection, target: Target): Synthesis {
  return new Synthesiser(comparison, selection, target).run();
}

class Synthesiser implements FunctionPlaces {
  readonly addresses: Addresses;
  readonly #comparison: Comparison;
  readonly #selection: Selection;
  readonly #target: Target;
  readonly #callbacks: ReadonlyMap<string, FuncIndex>;
  readonly #prepared: ReadonlyMap<FuncIndex, FuncIndex>;
  readonly #types = new TypeTable();
  readonly #imports = new UnitImports();
  /** Own functions in the order of their indices, behind the imports. */
  readonly #functions: FuncIndex[] = [];
  readonly #functionOrder = new Map<FuncIndex, number>();
  /** Globals of addresses that only staging knows, in the order of their indices, behind the imports. */
  readonly #openGlobals: OpenAddress[] = [];
  readonly #openIndex = new Map<string, number>();
  /** Own functions with a place in the program's table: their distances from its base, in order. */
  readonly #entries = new Map<FuncIndex, number>();
  readonly #oldGlobals: ReadonlyMap<string, GlobalIndex>;

  constructor(comparison: Comparison, selection: Selection, target: Target) {
    this.#comparison = comparison;
    this.#selection = selection;
    this.#callbacks = callbackFunctions(comparison.new);
    this.#target = target;
    this.#prepared = preparedIndices(comparison.old, target);
    // Of several globals of one name the first counts.
    this.#oldGlobals = new Map(
      [...comparison.old.globalNames].reverse().map(([index, name]) => [name, index]),
    );
    this.addresses = new Addresses(comparison, this);
  }

  oldFunction(index: FuncIndex): FuncIndex | undefined {
    return this.#comparison.correlation.functions.get(index);
  }

  programFunction(index: FuncIndex): FuncIndex | undefined {
    const replaced = this.#selection.replaced.get(index);
    if (replaced !== undefined) return replaced;
    const old = this.oldFunction(index);
    return old === undefined || this.#selection.own.has(index) ? undefined : this.#prepared.get(old);
  }

  run(): Synthesis {
    for (const index of [...this.#selection.replaced.keys(), ...this.#callbacks.values()])
      this.#ownFunction(index);
    // Copying into nothing shows what is needed; indices count only when all of it is known.
    for (let i = 0; i < this.#functions.length; i += 1)
      this.#copyBody(this.#functions[i] ?? 0, new Writer(256));
    this.#needData();
    const bytes = this.#emit();
    const replaced = this.#selection.replaced;
    const added = this.#functions.filter((f) => !replaced.has(f)).map((f) => this.#function(f));
    return { bytes, added, addresses: this.addresses };
  }

  /** Imports of the old build that preparing took out are its fentry hooks. */
  #hookArguments(index: FuncIndex): number | undefined {
    const m = this.#comparison.new.module;
    const old = index < m.imported.func ? this.oldFunction(index) : undefined;
    return old === undefined || this.#prepared.has(old) ? undefined : funcType(m, index).params.length;
  }

  #function(index: FuncIndex): BuildFunction {
    const f = this.#comparison.new.functions[index];
    return f ?? new Reader(this.#comparison.new.module.bytes).fail(`function ${index} does not exist`, 0);
  }

  /** Data that is brought along may point to more data and more functions. */
  #needData(): void {
    let [data, functions] = [0, 0];
    do {
      functions = this.#functions.length;
      for (; data < this.addresses.own.length; data += 1) {
        for (const reference of this.addresses.own[data]?.data.references ?? [])
          this.#need(this.addresses.of(reference));
      }
      for (let i = functions; i < this.#functions.length; i += 1)
        this.#copyBody(this.#functions[i] ?? 0, new Writer(256));
    } while (data < this.addresses.own.length || functions < this.#functions.length);
    if (this.addresses.own.length > 0) this.#base('memory_base');
    if (this.addresses.own.length > 0) this.#importTarget('memory');
  }

  #need(address: Address): void {
    if (address.kind !== 'number') this.#open(address);
  }

  #base(name: 'memory_base' | 'table_base'): GlobalIndex {
    return this.#import('global', 'patch', name, (out) => out.u8(0x7f).u8(0));
  }

  /** The program's only memory or table. */
  #importTarget(kind: 'memory' | 'table'): number {
    return this.#import(kind, 'target', '#0', (out) => {
      if (kind === 'table') out.u8(0x70).u8(0).u8(0);
      else describeMemory(out, this.#target.module.memories[0] ?? { flags: 0, max: undefined });
    });
  }

  #import(kind: Import['kind'], module: string, name: string, describe: (out: Writer) => void): number {
    return this.#imports.add({ kind, module, name, describe });
  }

  #ownFunction(index: FuncIndex): number {
    const known = this.#functionOrder.get(index);
    if (known !== undefined) return known;
    const order = this.#functions.push(index) - 1;
    this.#functionOrder.set(index, order);
    this.#types.add(this.#comparison.new.module, this.#comparison.new.module.functions[index] ?? 0);
    return order;
  }

  /** Index, in the module, of what a function of the new build is in the patch. */
  #functionIndex(index: FuncIndex): number {
    const m = this.#comparison.new.module;
    const program = this.programFunction(index);
    if (program !== undefined) return this.#importFunction('target', `#${program}`, index);
    const i = m.importsOf.func[index];
    if (i !== undefined) return this.#importFunction(i.module, i.name, index);
    return this.#imports.count('func') + this.#ownFunction(index);
  }

  #importFunction(module: string, name: string, index: FuncIndex): number {
    const m = this.#comparison.new.module;
    return this.#import('func', module, name, (out) => out.u32(this.#types.add(m, m.functions[index] ?? 0)));
  }

  /** The global of an address that is known when the patch is staged. */
  #open(address: OpenAddress): GlobalIndex {
    if (address.kind === 'program-function') {
      return this.#import('global', 'GOT.func', `#${address.index}`, (out) => out.u8(0x7f).u8(1));
    }
    this.#base(address.kind === 'own-data' ? 'memory_base' : 'table_base');
    if (address.kind === 'own-function') {
      this.#functionIndex(address.index);
      if (!this.#entries.has(address.index)) this.#entries.set(address.index, this.#entries.size);
      this.#importTarget('table');
    }
    const key = JSON.stringify(address);
    const known = this.#openIndex.get(key) ?? this.#openGlobals.push(address) - 1;
    this.#openIndex.set(key, known);
    return this.#imports.count('global') + known;
  }

  readonly #map = (space: IndexSpace, index: number): number => {
    const m = this.#comparison.new.module;
    switch (space) {
      case 'type':
        return this.#types.add(m, index);
      case 'func':
        return this.#functionIndex(index);
      case 'global':
        return this.#programGlobal(index);
      case 'memory':
      case 'table':
        if (index !== 0) return unsupported(`${space} ${index}`);
        return this.#importTarget(space);
      default:
        return unsupported(`a ${space}`);
    }
  };

  /** Globals keep their names from build to build, and linkers make few: the stack pointer and the thread's. */
  #programGlobal(index: GlobalIndex): number {
    const next = this.#comparison.new;
    const global = next.module.globals[index];
    const name = next.globalNames.get(index);
    const found = name === undefined ? undefined : this.#oldGlobals.get(name);
    if (global === undefined || found === undefined) return unsupported(`global ${name ?? index}`);
    return this.#import('global', 'target', `#${found}`, (out) => {
      out
        .u8(numberTypes[global.type] ?? unsupported(`a global of type ${global.type}`))
        .u8(global.mutable ? 1 : 0);
    });
  }

  #context(): CodeContext {
    return {
      build: this.#comparison.new,
      map: this.#map,
      address: (reference) => this.addresses.of(reference),
      base: (reference) => this.addresses.baseOf(reference),
      hookArguments: (index) => this.#hookArguments(index),
      global: (address) => this.#open(address),
    };
  }

  #copyBody(index: FuncIndex, out: Writer): void {
    const f = this.#function(index);
    copyRelocated(this.#context(), f, out);
    for (const reference of addressesIn(f)) this.#need(this.addresses.of(reference));
  }

  #emit(): Uint8Array<ArrayBuffer> {
    const m = this.#comparison.new.module;
    const memoryBase = this.addresses.own.length > 0 ? this.#base('memory_base') : 0;
    const data = placeData(m.bytes, this.addresses, memoryBase, (address) => this.#open(address));
    const relocate = data.relocations === undefined ? [] : [data.relocations];
    const imported = this.#imports.count('func');
    return emitUnit({
      types: this.#types,
      imports: this.#imports.all,
      functions: [
        ...this.#functions.map((f) => ({
          type: this.#types.add(m, m.functions[f] ?? 0),
          name: this.#function(f).names[0],
          body: bodyOf((out) => this.#copyBody(f, out)),
        })),
        ...relocate.map((body) => ({
          type: this.#types.addFunction({ params: [], results: [] }),
          name: '__wasm_apply_data_relocs',
          body,
        })),
      ],
      globals: this.#openGlobals.map((address) => this.#placed(address)),
      exports: [
        ...[...this.#selection.replaced].map(([f, prepared]) => ({
          name: replacementName(prepared),
          index: imported + this.#ownFunction(f),
        })),
        ...[...this.#callbacks].map(([name, f]) => ({ name, index: imported + this.#ownFunction(f) })),
        ...relocate.map(() => ({
          name: '__wasm_apply_data_relocs',
          index: imported + this.#functions.length,
        })),
      ],
      entries: [...this.#entries.keys()].map((f) => this.#functionIndex(f)),
      tableBase: this.#entries.size > 0 ? this.#base('table_base') : 0,
      data: data.segments,
      memoryBase,
      needs: {
        memorySize: this.addresses.sizeBytes,
        memoryAlignment: Math.log2(this.addresses.alignBytes),
        tableSize: this.#entries.size,
        tableAlignment: 0,
      },
    });
  }

  /** A base and the distance from it. */
  #placed(address: OpenAddress): { base: GlobalIndex; offset: number } {
    if (address.kind === 'own-data') return { base: this.#base('memory_base'), offset: address.offset };
    return { base: this.#base('table_base'), offset: this.#entries.get(address.index) ?? 0 };
  }
}

/** Indices in the prepared module by those in the old build; preparing may take imports out. */
function preparedIndices(build: Build, target: Target): Map<FuncIndex, FuncIndex> {
  const prepared = new Map([...preparedFunctions(target)].map(([original, f]) => [original, f.index]));
  for (const [old, found] of correlateImports(target.module, build.module)) prepared.set(old, found);
  return prepared;
}

function bodyOf(write: (out: Writer) => void): Uint8Array {
  const out = new Writer(256);
  write(out);
  return out.toBytes();
}

function unsupported(what: string): never {
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', {
    reason: `the new build's changed functions use ${what}, which a patch cannot bind`,
  });
}
