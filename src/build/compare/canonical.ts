// Function bodies of builds without relocations in one common form: what has an index is written as what it is in the old
// build, so that equal bytes mean equal code. Constants are taken literally.
//
// A body is read once. Which function of the old build a called one is gets known step by step, and all else never changes: so
// the functions that a body names are kept apart from the rest, of which a hash is enough.

import { hash } from 'node:crypto';
import {
  copyInstruction,
  copyInstructions,
  type FuncIndex,
  type IndexMap,
  Reader,
  showFuncType,
  skipLocals,
  Writer,
} from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import { type BodyComparison, instructionsOf } from './equality.ts';

/** Stands for a function or global that has no counterpart: no index is as large. */
const unknownIndex = 0xfffffff;

/** Gives function types numbers that are the same in both builds. */
export class TypeNumbers {
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<Build, number[]>();

  of(build: Build, index: number): number {
    const known = this.#known.get(build) ?? build.module.types.map((_, i) => this.#numberOf(build, i));
    this.#known.set(build, known);
    return known[index] ?? unknownIndex;
  }

  #numberOf({ module }: Build, index: number): number {
    const type = module.types[index];
    if (type?.kind !== 'func') return unknownIndex;
    const key = showFuncType(type);
    const known = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, known);
    return known;
  }
}

/** A body in its common form. */
export interface Shape {
  /** Hash of signature, locals and instructions, whatever functions they name. */
  readonly rest: string;
  /** The functions that the instructions name, in order; indices of the body's own build. */
  readonly functions: readonly FuncIndex[];
}

export interface CanonicalCodes {
  readonly old: CanonicalCode;
  readonly new: CanonicalCode;
}

export class CanonicalCode {
  readonly build: Build;
  readonly #types: TypeNumbers;
  readonly #globals: ReadonlyMap<number, number> | undefined;
  readonly #shapes = new Map<FuncIndex, Shape>();
  readonly #scratch = new Writer(4096);

  /** @param globals what the build's globals are in the old build; undefined: it is the old build. */
  constructor(build: Build, types: TypeNumbers, globals?: ReadonlyMap<number, number>) {
    this.build = build;
    this.#types = types;
    this.#globals = globals;
  }

  /** The number of a function's type. */
  type(index: FuncIndex): number {
    const { functions, bytes } = this.build.module;
    const missing = (): never => new Reader(bytes).fail(`function ${index} does not exist`, 0);
    return this.#types.of(this.build, functions[index] ?? missing());
  }

  /** The function must have a body. */
  shape(f: BuildFunction): Shape {
    const known = this.#shapes.get(f.index);
    if (known !== undefined) return known;
    const functions: FuncIndex[] = [];
    const map = this.#map((index) => {
      functions.push(index);
      return 0;
    });
    const locals = this.locals(f);
    const out = this.#scratch.reset().u32(this.type(f.index)).raw(locals);
    const { start, end } = f.body ?? { start: 0, end: 0 };
    copyInstructions(new Reader(this.build.module.bytes, start + locals.length, end), out, map);
    const shape = { rest: hash('sha256', out.view(), 'latin1'), functions };
    this.#shapes.set(f.index, shape);
    return shape;
  }

  locals({ body }: BuildFunction): Uint8Array {
    if (body === undefined) return new Uint8Array();
    const { bytes } = this.build.module;
    return bytes.subarray(body.start, skipLocals(bytes, body));
  }

  /** One instruction. @param func what a function that it names is in the old build */
  instruction(
    { at, next }: { readonly at: number; readonly next: number },
    func: (index: FuncIndex) => FuncIndex | undefined,
  ): Uint8Array {
    const out = new Writer(16);
    const map = this.#map((index) => func(index) ?? unknownIndex);
    copyInstruction(new Reader(this.build.module.bytes, at, next), out, map);
    return out.toBytes();
  }

  #map(func: (index: FuncIndex) => number): IndexMap {
    return (space, index) => {
      if (space === 'func') return func(index);
      if (space === 'global')
        return this.#globals === undefined ? index : (this.#globals.get(index) ?? unknownIndex);
      return space === 'type' ? this.#types.of(this.build, index) : index;
    };
  }
}

/** Compares two functions that are taken for one. @param pairs what the new build's functions are in the old one */
export function compareCanonical(
  codes: CanonicalCodes,
  pairs: ReadonlyMap<FuncIndex, FuncIndex>,
  n: BuildFunction,
  o: BuildFunction,
): BodyComparison {
  if (codes.new.type(n.index) !== codes.old.type(o.index)) return { kind: 'type' };
  if (n.body === undefined || o.body === undefined) return { kind: 'same' };
  const [now, before] = [codes.new.shape(n), codes.old.shape(o)];
  const same =
    now.rest === before.rest && now.functions.every((f, i) => pairs.get(f) === before.functions[i]);
  return same ? { kind: 'same' } : { kind: 'body', at: firstDifference(codes, pairs, n, o) };
}

/** Offsets of the first instructions that differ. */
function firstDifference(
  codes: CanonicalCodes,
  pairs: ReadonlyMap<FuncIndex, FuncIndex>,
  n: BuildFunction,
  o: BuildFunction,
): { new: number; old: number } {
  const [a, b] = [instructionsOf(codes.new.build, n), instructionsOf(codes.old.build, o)];
  const same = (i: number): boolean => {
    const [x, y] = [a[i], b[i]];
    if (x === undefined || y === undefined) return false;
    const now = codes.new.instruction(x, (f) => pairs.get(f));
    return equal(
      now,
      codes.old.instruction(y, (f) => f),
    );
  };
  let first = 0;
  if (equal(codes.new.locals(n), codes.old.locals(o))) while (same(first)) first += 1;
  return { new: a[first]?.at ?? n.body?.end ?? 0, old: b[first]?.at ?? o.body?.end ?? 0 };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
