// Functions of the prepared program as a module of their own, without their guards, which imports all else from the program.

import { WgraftError } from '../errors.ts';
import { guardedCode } from '../prepare/index.ts';
import {
  copyInstructions,
  copyLocals,
  type FuncIndex,
  type Import,
  type IndexSpace,
  op,
  Reader,
  TypeTable,
  Writer,
} from '../wasm/index.ts';
import { declarations } from './declarations.ts';
import { emitUnit } from './emit-unit.ts';
import { describeItem } from './program-item.ts';
import { copiedFile } from './replaced.ts';
import { isGuarded, showTargetFunction, type Target } from './target.ts';
import { readUnit, type Unit } from './unit.ts';
import { UnitImports } from './unit-imports.ts';

export interface CopyOptions {
  /** What a copy is exported as. */
  readonly exported: (index: FuncIndex) => string;
  /** What it is called in stack traces. */
  readonly named: (index: FuncIndex) => string | undefined;
  /** They call each other, and themselves, where no guard would be passed; otherwise they call the program's. */
  readonly together: boolean;
}

/** @throws WGRAFT_ERR_SOURCE_UNSUPPORTED where one of them uses what a patch cannot bind */
export function copyFunctions(target: Target, functions: readonly FuncIndex[], options: CopyOptions): Unit {
  return readUnit(copiedFile, 'build', new Copy(target, functions, options).run());
}

class Copy {
  readonly #target: Target;
  readonly #options: CopyOptions;
  /** Their order among the module's own functions. */
  readonly #copied: ReadonlyMap<FuncIndex, number>;
  /** The program's passive segments that they use, with their places here. */
  readonly #segments = { data: new Map<number, number>(), element: new Map<number, number>() };
  readonly #types = new TypeTable();
  readonly #imports = new UnitImports();

  constructor(target: Target, copied: readonly FuncIndex[], options: CopyOptions) {
    this.#target = target;
    this.#options = options;
    this.#copied = new Map(copied.map((f, i) => [f, i]));
  }

  run(): Uint8Array<ArrayBuffer> {
    const all = [...this.#copied.keys()];
    // Copying into nothing shows what is imported; indices count only when all of it is known.
    for (const f of all) this.#body(f);
    for (const segment of this.#segments.element.keys()) this.#element(segment, new Writer(256));
    const { module } = this.#target;
    const functions = all.map((f) => ({
      type: this.#types.add(module, module.functions[f] ?? 0),
      name: this.#options.named(f),
      body: this.#body(f),
    }));
    const imported = this.#imports.count('func');
    return emitUnit({
      types: this.#types,
      imports: this.#imports.all,
      functions,
      globals: [],
      exports: all.map((f, i) => ({ name: this.#options.exported(f), index: imported + i })),
      entries: [],
      tableBase: 0,
      data: [],
      passive: {
        data: [...this.#segments.data.keys()].map((segment) => this.#data(segment)),
        elements: [...this.#segments.element.keys()].map((s) => (out: Writer) => this.#element(s, out)),
      },
      memoryBase: 0,
      needs: { memorySize: 0, memoryAlignment: 0, tableSize: 0, tableAlignment: 0 },
    });
  }

  #body(f: FuncIndex): Uint8Array {
    const { module } = this.#target;
    const body = module.bodies[f - module.imported.func] ?? { start: 0, end: 0 };
    const out = new Writer(256);
    const r = new Reader(module.bytes, body.start, body.end);
    const map = (space: IndexSpace, index: number, opcode: number): number =>
      this.#index(space, index, f, opcode);
    copyLocals(r, out, map);
    if (!isGuarded(this.#target, f)) {
      copyInstructions(r, out, map);
      return out.toBytes();
    }
    copyInstructions(new Reader(guardedCode(r)), out, map);
    return out.u8(op.end).toBytes();
  }

  #index(space: IndexSpace, index: number, within: FuncIndex, opcode: number): number {
    if (space === 'type') return this.#types.add(this.#target.module, index);
    if (space === 'func') return this.#function(index, within, opcode);
    if (space === 'element' || space === 'data') return this.#segment(space, index, within);
    return this.#import(space, index);
  }

  /** A passive segment never changes, so that a copy is as good. Of an active one nothing is left once the program runs. */
  #segment(space: 'element' | 'data', index: number, within: FuncIndex): number {
    const { elements, data } = this.#target.module;
    if ((space === 'element' ? elements : data)[index]?.mode !== 'passive')
      throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', {
        file: copiedFile,
        what: `"${showTargetFunction(this.#target, within)}", which has to come along, uses ${space} segment ${index} of the program`,
      });
    const places = this.#segments[space];
    const place = places.get(index) ?? places.size;
    places.set(index, place);
    return place;
  }

  #data(segment: number): Uint8Array {
    const { bytes, data } = this.#target.module;
    const { start = 0, end = 0 } = data[segment]?.content ?? {};
    return bytes.subarray(start, end);
  }

  #element(segment: number, out: Writer): void {
    declarations.element(this.#target.module, segment, out, (space, index) =>
      this.#index(space, index, 0, 0),
    );
  }

  /** What has a guard is called through it; a function that calls itself does so directly. */
  #function(index: FuncIndex, within: FuncIndex, opcode: number): number {
    const own = this.#options.together ? this.#copied.get(index) : undefined;
    const itself = index === within && opcode !== op.refFunc;
    if (own === undefined || (isGuarded(this.#target, index) && !itself)) return this.#import('func', index);
    return this.#imports.count('func') + own;
  }

  #import(kind: Import['kind'], index: number): number {
    return this.#imports.add({ kind, ...describeItem(this.#target, kind, index, this.#types) });
  }
}
