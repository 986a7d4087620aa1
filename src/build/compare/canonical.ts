// Function bodies of builds without relocations in one common form: what has an index is written as what it is in the old
// build, so that equal bytes mean equal code. Constants are taken literally.

import {
  copyInstruction,
  type IndexMap,
  Reader,
  showFuncType,
  skipLocals,
  Writer,
} from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import { type BodyComparison, instructionsOf } from './equality.ts';

/** Stands for a function or global that has no counterpart: no index is as large. */
export const unknownIndex = 0xfffffff;

/** Gives function types numbers that are the same in both builds. */
export class TypeNumbers {
  readonly #numbers = new Map<string, number>();

  of(build: Build, index: number): number {
    const type = build.module.types[index];
    if (type?.kind !== 'func') return unknownIndex;
    const key = showFuncType(type);
    const known = this.#numbers.get(key) ?? this.#numbers.size;
    this.#numbers.set(key, known);
    return known;
  }
}

export interface CanonicalIndices {
  /** What a function or global is in the old build; `unknownIndex` if it is nothing there. */
  func(index: number): number;
  global(index: number): number;
}

export class CanonicalCode {
  readonly #build: Build;
  readonly #types: TypeNumbers;
  readonly #indices: CanonicalIndices;

  constructor(build: Build, types: TypeNumbers, indices: CanonicalIndices) {
    this.#build = build;
    this.#types = types;
    this.#indices = indices;
  }

  /** Signature, locals, instructions. */
  function(f: BuildFunction): Uint8Array {
    const out = new Writer(256).u32(this.#types.of(this.#build, this.#build.module.functions[f.index] ?? -1));
    out.raw(this.locals(f));
    for (const i of instructionsOf(this.#build, f)) out.raw(this.instruction(i));
    return out.toBytes();
  }

  locals({ body }: BuildFunction): Uint8Array {
    if (body === undefined) return new Uint8Array();
    const { bytes } = this.#build.module;
    return bytes.subarray(body.start, skipLocals(bytes, body));
  }

  instruction({ at, next }: { readonly at: number; readonly next: number }): Uint8Array {
    const out = new Writer(16);
    copyInstruction(new Reader(this.#build.module.bytes, at, next), out, this.#map);
    return out.toBytes();
  }

  readonly #map: IndexMap = (space, index) => {
    if (space === 'func') return this.#indices.func(index);
    if (space === 'global') return this.#indices.global(index);
    return space === 'type' ? this.#types.of(this.#build, index) : index;
  };
}

/** Compares two functions that are taken for one. */
export function compareCanonical(
  codes: { readonly old: CanonicalCode; readonly new: CanonicalCode },
  builds: { readonly old: Build; readonly new: Build },
  n: BuildFunction,
  o: BuildFunction,
): BodyComparison {
  const typeOf = (build: Build, f: BuildFunction): string => {
    const type = build.module.types[build.module.functions[f.index] ?? -1];
    return type?.kind === 'func' ? showFuncType(type) : '';
  };
  if (typeOf(builds.new, n) !== typeOf(builds.old, o)) return { kind: 'type' };
  if (n.body === undefined || o.body === undefined) return { kind: 'same' };
  const [a, b] = [instructionsOf(builds.new, n), instructionsOf(builds.old, o)];
  const differ = (i: number): BodyComparison => ({
    kind: 'body',
    at: { new: a[i]?.at ?? n.body?.end ?? 0, old: b[i]?.at ?? o.body?.end ?? 0 },
  });
  if (!equal(codes.new.locals(n), codes.old.locals(o))) return differ(0);
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const [x, y] = [a[i], b[i]];
    if (x === undefined || y === undefined) return differ(i);
    if (!equal(codes.new.instruction(x), codes.old.instruction(y))) return differ(i);
  }
  return { kind: 'same' };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
