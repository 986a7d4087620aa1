// Are two functions, or two pieces of data, the same? Fields that the linker filled in are compared by what they name, all
// other bytes literally. A moved string, a renumbered function or a grown table changes nothing here.

import {
  type FuncIndex,
  funcType,
  type Instruction,
  isNobody,
  op,
  type Range,
  Reader,
  showFuncType,
  skipLocals,
  type TypeIndex,
  type WasmModule,
  walk,
} from '../../wasm/index.ts';
import type { Build, BuildData, BuildFunction, Reference } from './build.ts';
import type { Correlation } from './correlate.ts';

/** How two functions of one name compare; offsets are of the first instructions that differ. */
export type BodyComparison =
  | { readonly kind: 'same' }
  /** Only line numbers of assertions differ. */
  | { readonly kind: 'lines' }
  | { readonly kind: 'type' }
  | { readonly kind: 'body'; readonly at: { readonly old: number; readonly new: number } };

/** How long a chain of constants that point to one another is followed. */
const deepest = 1000;

export class Equality {
  readonly #old: Build;
  readonly #new: Build;
  readonly #correlation: Correlation;
  readonly #contents = new Map<BuildData, Map<BuildData, boolean>>();
  /** Pairs that are being compared, which count as equal unless something else differs: data may point in circles. */
  readonly #assumed: [BuildData, BuildData][] = [];
  #depth = 0;

  constructor(old: Build, next: Build, correlation: Correlation) {
    this.#old = old;
    this.#new = next;
    this.#correlation = correlation;
  }

  functions(n: BuildFunction, o: BuildFunction): BodyComparison {
    const types = [signature(this.#new.module, n.index), signature(this.#old.module, o.index)];
    if (types[0] !== types[1]) return { kind: 'type' };
    if (n.body === undefined || o.body === undefined) return { kind: 'same' };
    if (this.#ranges(n.body, n.references, o.body, o.references)) return { kind: 'same' };
    return this.#instructions(n, o);
  }

  /** Same initial bytes, same things named. */
  contents(n: BuildData, o: BuildData): boolean {
    const known = this.#contents.get(n)?.get(o);
    if (known !== undefined) return known;
    if (this.#depth === deepest) return false; // to be on the safe side: what differs is replaced
    const before = this.#assumed.push([n, o]) - 1;
    this.#note(n, o, true);
    this.#depth += 1;
    const same = n.size === o.size && this.#ranges(n.content, n.references, o.content, o.references);
    this.#depth -= 1;
    if (!same) {
      // What was found equal since then may have been so only because of this pair.
      for (const [x, y] of this.#assumed.splice(before)) this.#contents.get(x)?.delete(y);
      this.#note(n, o, false);
    }
    if (this.#depth === 0) this.#assumed.length = 0;
    return same;
  }

  #note(n: BuildData, o: BuildData, same: boolean): void {
    const ofNew = this.#contents.get(n);
    if (ofNew === undefined) this.#contents.set(n, new Map([[o, same]]));
    else ofNew.set(o, same);
  }

  /**
   * The same data, as code means it: of writable data the same variable, whatever it holds; of constants the same bytes.
   */
  data(n: BuildData, o: BuildData): boolean {
    if (n.writable !== o.writable) return false;
    const correlated = this.#correlation.data.get(n) === o;
    if (n.writable && !n.anonymous) return correlated;
    if (n.writable) return o.anonymous && this.#sameUses(n, o);
    return (correlated || (n.anonymous && o.anonymous)) && this.contents(n, o);
  }

  /** What a sanitizer writes down of a check: its line and column count as little as the line of an assertion. */
  #sameUses(n: BuildData, o: BuildData): boolean {
    if (n.size !== o.size || n.references.length !== o.references.length || this.#depth === deepest)
      return false;
    this.#depth += 1;
    const same = n.references.every((reference, i) => {
      const other = o.references[i];
      const here = other !== undefined && other.at - o.content.start === reference.at - n.content.start;
      return here && this.references(reference, other);
    });
    this.#depth -= 1;
    return same;
  }

  /** Byte for byte, fields of references aside. */
  #ranges(n: Range, ofNew: readonly Reference[], o: Range, ofOld: readonly Reference[]): boolean {
    if (n.end - n.start !== o.end - o.start || ofNew.length !== ofOld.length) return false;
    const [a, b] = [this.#new.module.bytes, this.#old.module.bytes];
    let at = 0;
    for (const [i, reference] of ofNew.entries()) {
      const other = ofOld[i];
      const place = reference.at - n.start;
      if (other === undefined || other.at - o.start !== place) return false;
      if (!equalBytes(a, n.start + at, b, o.start + at, place - at)) return false;
      if (!this.references(reference, other)) return false;
      at = place + reference.relocation.type.width;
    }
    return equalBytes(a, n.start + at, b, o.start + at, n.end - n.start - at);
  }

  references(n: Reference, o: Reference): boolean {
    const [a, b] = [n.relocation, o.relocation];
    if (a.type !== b.type || a.addend !== b.addend) return false;
    if (a.type.target === 'type') return this.#sameType(a.index, b.index);
    const [s, t] = [n.symbol, o.symbol];
    if (s === undefined || t === undefined || s.kind !== t.kind) return false;
    if (s.kind === 'func' && s.index !== undefined && t.index !== undefined)
      return this.#correlation.functions.get(s.index) === t.index;
    const [d, e] = [this.#new.dataOf.get(s), this.#old.dataOf.get(t)];
    if (d !== undefined && e !== undefined) return this.data(d, e);
    return d === e && s.name === t.name && isNobody(s) === isNobody(t);
  }

  #sameType(n: TypeIndex, o: TypeIndex): boolean {
    const [a, b] = [this.#new.module.types[n], this.#old.module.types[o]];
    return a?.kind === 'func' && b?.kind === 'func' && showFuncType(a) === showFuncType(b);
  }

  /** One instruction after the other: finds the first that differs, and line numbers, whose length may differ. */
  #instructions(n: BuildFunction, o: BuildFunction): BodyComparison {
    const [a, b] = [instructionsOf(this.#new, n), instructionsOf(this.#old, o)];
    const differ = (i: number): BodyComparison => ({
      kind: 'body',
      at: { new: a[i]?.at ?? n.body?.end ?? 0, old: b[i]?.at ?? o.body?.end ?? 0 },
    });
    if (!this.#sameLocals(n, o)) return differ(0);
    const uses = [new Uses(n), new Uses(o)] as const;
    let lines = false;
    for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
      const [x, y] = [a[i], b[i]];
      if (x === undefined || y === undefined) return differ(i);
      const [forNew, forOld] = [uses[0].of(x), uses[1].of(y)];
      if (this.#ranges(rangeOf(x), forNew, rangeOf(y), forOld)) continue;
      if (this.#sameCall(x, forNew, y, forOld)) continue;
      if (!isLine(this.#new, n, a, i) || !isConstant(y, forOld)) return differ(i);
      lines = true;
    }
    return { kind: lines ? 'lines' : 'same' };
  }

  /** The linker's own functions (`__wasm_call_ctors`) call others without relocations. */
  #sameCall(x: Placed, forNew: readonly Reference[], y: Placed, forOld: readonly Reference[]): boolean {
    if (x.opcode !== op.call || y.opcode !== op.call || forNew.length + forOld.length > 0) return false;
    return this.#correlation.functions.get(x.index) === y.index;
  }

  #sameLocals(n: BuildFunction, o: BuildFunction): boolean {
    if (n.body === undefined || o.body === undefined) return false;
    const [a, b] = [this.#new.module.bytes, this.#old.module.bytes];
    const length = skipLocals(a, n.body) - n.body.start;
    return (
      length === skipLocals(b, o.body) - o.body.start && equalBytes(a, n.body.start, b, o.body.start, length)
    );
  }
}

type Placed = Readonly<Pick<Instruction, 'opcode' | 'at' | 'next' | 'index'>>;

function rangeOf(i: Placed): Range {
  return { start: i.at, end: i.next };
}

/** The instructions of a function. */
export function instructionsOf(build: Build, f: BuildFunction): Placed[] {
  const found: Placed[] = [];
  if (f.body === undefined) return found;
  const { bytes } = build.module;
  walk(new Reader(bytes, skipLocals(bytes, f.body), f.body.end), ({ opcode, at, next, index }) => {
    found.push({ opcode, at, next, index });
  });
  return found;
}

/** Hands out a function's references to its instructions, which come in the same order. */
export class Uses {
  readonly #references: readonly Reference[];
  #next = 0;

  constructor(f: BuildFunction) {
    this.#references = f.references;
  }

  of(i: Placed): Reference[] {
    const found: Reference[] = [];
    for (
      let r = this.#references[this.#next];
      r !== undefined && r.at < i.next;
      r = this.#references[this.#next]
    ) {
      found.push(r);
      this.#next += 1;
    }
    return found;
  }
}

function isConstant(i: Placed, references: readonly Reference[]): boolean {
  return i.opcode === op.i32Const && references.length === 0;
}

/** The third of the four constants that `assert` passes: expression, file, line, function. */
function isLine(build: Build, f: BuildFunction, all: readonly Placed[], i: number): boolean {
  const [line, name, call] = [all[i], all[i + 1], all[i + 2]];
  if (line?.opcode !== op.i32Const || name?.opcode !== op.i32Const || call?.opcode !== op.call) return false;
  if (f.references.some((r) => r.at >= line.at && r.at < line.next)) return false;
  return build.functions[call.index]?.names.includes('__assert_fail') ?? false;
}

function signature(m: WasmModule, index: FuncIndex): string {
  return showFuncType(funcType(m, index));
}

function equalBytes(a: Uint8Array, atA: number, b: Uint8Array, atB: number, length: number): boolean {
  return Buffer.compare(a.subarray(atA, atA + length), b.subarray(atB, atB + length)) === 0;
}
