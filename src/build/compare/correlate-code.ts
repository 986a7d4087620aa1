// Which function of the old build a function is, without symbols: by name, by its code, by its place among the calls of
// functions that are known. Only what is unique counts. A wrong pair would do no harm: all code is compared with the pairs
// taken for granted, so that whoever calls something else than before has changed.

import { createHash } from 'node:crypto';
import { type FuncIndex, funcType, readFunctionNames, showFuncType } from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import { CanonicalCode, type TypeNumbers, unknownIndex } from './canonical.ts';
import { correlateImports } from './correlate.ts';

export type GlobalPairs = ReadonlyMap<number, number>;

/** New to old. */
export function correlateCode(
  old: Build,
  next: Build,
  types: TypeNumbers,
  globals: GlobalPairs,
): Map<FuncIndex, FuncIndex> {
  return new CodePairs(old, next, types, globals).run();
}

class CodePairs {
  readonly #old: Build;
  readonly #new: Build;
  readonly #types: TypeNumbers;
  readonly #globals: GlobalPairs;
  readonly #found: Map<FuncIndex, FuncIndex>;
  readonly #taken: Set<FuncIndex>;

  constructor(old: Build, next: Build, types: TypeNumbers, globals: GlobalPairs) {
    this.#old = old;
    this.#new = next;
    this.#types = types;
    this.#globals = globals;
    this.#found = new Map(correlateImports(old, next));
    this.#taken = new Set(this.#found.values());
  }

  run(): Map<FuncIndex, FuncIndex> {
    const [namesOfOld, namesOfNew] = [sourceNames(this.#old), sourceNames(this.#new)];
    this.#unique(
      (f) => namesOfOld.get(f.index) ?? [],
      (f) => namesOfNew.get(f.index) ?? [],
    );
    this.#unique(
      (f) => f.exports,
      (f) => f.exports,
    );
    for (let before = -1; before !== this.#found.size; ) {
      before = this.#found.size;
      this.#byCode();
      this.#byCalls();
    }
    return this.#found;
  }

  #open(): [olds: BuildFunction[], news: BuildFunction[]] {
    const defined = (f: BuildFunction): boolean => f.body !== undefined;
    return [
      this.#old.functions.filter((f) => defined(f) && !this.#taken.has(f.index)),
      this.#new.functions.filter((f) => defined(f) && !this.#found.has(f.index)),
    ];
  }

  /** Pairs what alone has a key in the old build with what alone has it in the new one. */
  #unique(
    keysOfOld: (f: BuildFunction) => readonly string[],
    keysOfNew: (f: BuildFunction) => readonly string[],
  ): void {
    const [olds, news] = this.#open();
    const byOld = group(olds, keysOfOld);
    for (const [key, all] of group(news, keysOfNew)) {
      const [n, another] = all;
      const [o, other] = byOld.get(key) ?? [];
      if (n !== undefined && another === undefined && o !== undefined && other === undefined)
        this.#add(n.index, o.index);
    }
  }

  #add(n: FuncIndex, o: FuncIndex): void {
    if (this.#found.has(n) || this.#taken.has(o)) return;
    this.#found.set(n, o);
    this.#taken.add(o);
  }

  #byCode(): void {
    const known = new Set(this.#taken);
    const pairs = new Map(this.#found);
    const ofOld = new CanonicalCode(this.#old, this.#types, {
      func: (index) => (known.has(index) ? index : unknownIndex),
      global: (index) => index,
    });
    const ofNew = new CanonicalCode(this.#new, this.#types, {
      func: (index) => pairs.get(index) ?? unknownIndex,
      global: (index) => this.#globals.get(index) ?? unknownIndex,
    });
    this.#unique(
      (f) => [hash(ofOld.function(f))],
      (f) => [hash(ofNew.function(f))],
    );
  }

  /** Functions that are known and make as many calls as before call, place by place, the same functions. */
  #byCalls(): void {
    const votes = new Map<FuncIndex, Set<FuncIndex>>();
    const votesFor = new Map<FuncIndex, Set<FuncIndex>>();
    for (const [n, o] of this.#found) {
      const [a, b] = [this.#new.functions[n]?.callees ?? [], this.#old.functions[o]?.callees ?? []];
      if (a.length !== b.length) continue;
      for (const [i, callee] of a.entries()) {
        const before = b[i];
        if (before === undefined || this.#found.has(callee) || this.#taken.has(before)) continue;
        if (signature(this.#new, callee) !== signature(this.#old, before)) continue;
        add(votes, callee, before);
        add(votesFor, before, callee);
      }
    }
    for (const [n, olds] of votes) {
      const [o, other] = olds;
      if (o !== undefined && other === undefined && votesFor.get(o)?.size === 1) this.#add(n, o);
    }
  }
}

function signature({ module }: Build, index: FuncIndex): string {
  return showFuncType(funcType(module, index));
}

/** Names as the source has them: the hash that Rust appends is another in each build. */
function sourceNames({ module }: Build): Map<FuncIndex, string[]> {
  const names = readFunctionNames(module.bytes, module.sections);
  return new Map([...names].map(([index, name]) => [index, [name.replace(/17h[0-9a-f]{16}E$/, 'E')]]));
}

function group(
  all: readonly BuildFunction[],
  keysOf: (f: BuildFunction) => readonly string[],
): Map<string, BuildFunction[]> {
  const groups = new Map<string, BuildFunction[]>();
  for (const f of all) {
    for (const key of keysOf(f)) {
      const known = groups.get(key);
      if (known === undefined) groups.set(key, [f]);
      else known.push(f);
    }
  }
  return groups;
}

function add(sets: Map<FuncIndex, Set<FuncIndex>>, key: FuncIndex, value: FuncIndex): void {
  const known = sets.get(key);
  if (known === undefined) sets.set(key, new Set([value]));
  else known.add(value);
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}
