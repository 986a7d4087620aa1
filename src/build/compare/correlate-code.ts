// Which function of the old build a function is, without symbols: by name, by its code, by its place among the calls of
// functions that are known and in the function table; where as many are the same in all of this as before, by their order. A
// wrong pair would do no harm: all code is compared with the pairs taken for granted, so that whoever calls something else than
// before has changed.

import { type FuncIndex, readFunctionNames } from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import type { CanonicalCodes } from './canonical.ts';
import { CodeGroups, type Pair } from './code-groups.ts';
import { correlateImports } from './correlate.ts';
import { Votes } from './votes.ts';

/** New to old. @param samePlace functions with the same entry of the function table */
export function correlateCode(codes: CanonicalCodes, samePlace: readonly Pair[]): Map<FuncIndex, FuncIndex> {
  return new CodePairs(codes).run(samePlace);
}

class CodePairs {
  readonly #codes: CanonicalCodes;
  readonly #old: Build;
  readonly #new: Build;
  readonly #found: Map<FuncIndex, FuncIndex>;
  readonly #taken: Set<FuncIndex>;

  constructor(codes: CanonicalCodes) {
    this.#codes = codes;
    this.#old = codes.old.build;
    this.#new = codes.new.build;
    this.#found = new Map(correlateImports(this.#old.module, this.#new.module));
    this.#taken = new Set(this.#found.values());
  }

  run(samePlace: readonly Pair[]): Map<FuncIndex, FuncIndex> {
    const [namesOfOld, namesOfNew] = [sourceNames(this.#old), sourceNames(this.#new)];
    this.#unique(
      (f) => namesOfOld.get(f.index) ?? [],
      (f) => namesOfNew.get(f.index) ?? [],
    );
    this.#unique(
      (f) => f.exports,
      (f) => f.exports,
    );
    this.#byCode(samePlace);
    return this.#found;
  }

  #open(): { old: BuildFunction[]; new: BuildFunction[] } {
    const defined = (f: BuildFunction): boolean => f.body !== undefined;
    return {
      old: this.#old.functions.filter((f) => defined(f) && !this.#taken.has(f.index)),
      new: this.#new.functions.filter((f) => defined(f) && !this.#found.has(f.index)),
    };
  }

  /** Pairs what alone has a key in the old build with what alone has it in the new one. */
  #unique(
    keysOfOld: (f: BuildFunction) => readonly string[],
    keysOfNew: (f: BuildFunction) => readonly string[],
  ): void {
    const open = this.#open();
    const byOld = group(open.old, keysOfOld);
    for (const [key, all] of group(open.new, keysOfNew)) {
      const [n, another] = all;
      const [o, other] = byOld.get(key) ?? [];
      if (n !== undefined && another === undefined && o !== undefined && other === undefined)
        this.#add([n.index, o.index]);
    }
  }

  #add([n, o]: Pair): boolean {
    if (this.#found.has(n) || this.#taken.has(o)) return false;
    this.#found.set(n, o);
    this.#taken.add(o);
    return true;
  }

  /**
   * By code and by calls, in turns: each pair that is found may tell others. What the two cannot tell, like functions that are the
   * same in all but their address, has to be what stands in its place of the table: else no patch is possible. Of those that
   * are left, equal ones may stand for each other where there are as many of them as before.
   */
  #byCode(samePlace: readonly Pair[]): void {
    const groups = new CodeGroups(this.#codes, this.#open(), {
      new: (n) => this.#found.get(n),
      old: (o) => (this.#taken.has(o) ? o : undefined),
    });
    const votes = new Votes();
    for (const pair of this.#found) this.#askCalls(pair, votes);
    const enter = (pairs: readonly Pair[]): void => {
      for (const pair of pairs) {
        if (!this.#add(pair)) continue;
        groups.close(pair);
        votes.close(pair);
        this.#askCalls(pair, votes);
      }
    };
    const takeTurns = (): void => {
      for (let before = -1; before !== this.#found.size; ) {
        before = this.#found.size;
        enter(groups.pairs());
        enter(votes.agreed());
      }
    };
    takeTurns();
    const places = new Votes();
    for (const [n, o] of samePlace) if (this.#mayBe(n, o)) places.add([n, o]);
    enter(places.agreed());
    takeTurns();
    enter(groups.inOrder());
    takeTurns();
  }

  /** A pair that makes as many calls in both builds calls, place by place, the same functions. */
  #askCalls([n, o]: Pair, votes: Votes): void {
    const now = this.#new.functions[n]?.callees ?? [];
    const before = this.#old.functions[o]?.callees ?? [];
    if (now.length !== before.length) return;
    for (const [i, callee] of now.entries()) {
      const was = before[i];
      if (was !== undefined && this.#mayBe(callee, was)) votes.add([callee, was]);
    }
  }

  #mayBe(n: FuncIndex, o: FuncIndex): boolean {
    if (this.#found.has(n) || this.#taken.has(o)) return false;
    return this.#codes.new.type(n) === this.#codes.old.type(o);
  }
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
