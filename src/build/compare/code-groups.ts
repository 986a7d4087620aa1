// Functions without a counterpart, grouped by their code: where one of each build is alone in its group, they are a pair. What
// code is changes as the functions that it names get known, so when a pair is found those who name it move to other groups:
// each is looked at again only then.

import type { FuncIndex } from '../../wasm/index.ts';
import type { BuildFunction } from './build.ts';
import type { CanonicalCode, CanonicalCodes } from './canonical.ts';

export type Pair = readonly [next: FuncIndex, old: FuncIndex];

/** How many of each build, and the sum of their indices: of one that is alone, its index. */
interface Group {
  news: number;
  sumOfNews: number;
  olds: number;
  sumOfOlds: number;
}

/** Gives what a function is in the old build; undefined where that is not known. */
type InOld = (index: FuncIndex) => FuncIndex | undefined;

export class CodeGroups {
  readonly #groups = new Map<string, Group>();
  /** Those that changed since they were looked at. */
  readonly #changed = new Set<Group>();
  readonly #news: Side;
  readonly #olds: Side;

  /** @param open what has no counterpart yet, with a body */
  constructor(
    codes: CanonicalCodes,
    open: { readonly new: readonly BuildFunction[]; readonly old: readonly BuildFunction[] },
    inOld: { readonly new: InOld; readonly old: InOld },
  ) {
    this.#news = new Side(codes.new, open.new, inOld.new);
    this.#olds = new Side(codes.old, open.old, inOld.old);
  }

  /** Pairs what alone has its code, as far as it is known now. */
  pairs(): Pair[] {
    this.#news.regroup((key, count, index) => {
      const group = this.#group(key);
      group.news += count;
      group.sumOfNews += count * index;
    });
    this.#olds.regroup((key, count, index) => {
      const group = this.#group(key);
      group.olds += count;
      group.sumOfOlds += count * index;
    });
    const found = [...this.#changed].filter(({ news, olds }) => news === 1 && olds === 1);
    this.#changed.clear();
    return found.map(({ sumOfNews, sumOfOlds }) => [sumOfNews, sumOfOlds]);
  }

  /** Pairs, in order, those of which there are as many in both builds, after `pairs`. */
  inOrder(): Pair[] {
    const olds = this.#olds.grouped();
    return [...this.#news.grouped()].flatMap(([key, news]) => {
      const others = olds.get(key) ?? [];
      if (others.length !== news.length) return [];
      return news.flatMap((n, i): Pair[] => {
        const o = others[i];
        return o === undefined ? [] : [[n, o]];
      });
    });
  }

  /** The two have a counterpart now. */
  close([n, o]: Pair): void {
    this.#news.close(n);
    this.#olds.close(o);
  }

  #group(key: string): Group {
    const group = this.#groups.get(key) ?? { news: 0, sumOfNews: 0, olds: 0, sumOfOlds: 0 };
    this.#groups.set(key, group);
    this.#changed.add(group);
    return group;
  }
}

/** The open functions of one build. */
class Side {
  readonly #code: CanonicalCode;
  readonly #inOld: InOld;
  readonly #open: Map<FuncIndex, BuildFunction>;
  /** The groups that functions are in, and those of them that may not be in the right one. */
  readonly #keys = new Map<FuncIndex, string>();
  readonly #stale: Set<FuncIndex>;
  /** Which open functions name a function. */
  readonly #users = new Map<FuncIndex, FuncIndex[]>();

  constructor(code: CanonicalCode, open: readonly BuildFunction[], inOld: InOld) {
    this.#code = code;
    this.#inOld = inOld;
    this.#open = new Map(open.map((f) => [f.index, f]));
    this.#stale = new Set(this.#open.keys());
    for (const f of open) {
      for (const named of new Set(code.shape(f).functions)) {
        const users = this.#users.get(named);
        if (users === undefined) this.#users.set(named, [f.index]);
        else users.push(f.index);
      }
    }
  }

  /** `move` puts a function into a group (1) or takes it out of one (-1). */
  regroup(move: (key: string, count: 1 | -1, index: FuncIndex) => void): void {
    for (const index of this.#stale) {
      const f = this.#open.get(index);
      const [before, now] = [this.#keys.get(index), f === undefined ? undefined : this.#keyOf(f)];
      if (before === now) continue;
      if (before !== undefined) move(before, -1, index);
      if (now === undefined) {
        this.#keys.delete(index);
      } else {
        move(now, 1, index);
        this.#keys.set(index, now);
      }
    }
    this.#stale.clear();
  }

  /** What is in each group, by index. */
  grouped(): Map<string, FuncIndex[]> {
    const groups = new Map<string, FuncIndex[]>();
    for (const index of this.#open.keys()) {
      const key = this.#keys.get(index) ?? '';
      const known = groups.get(key);
      if (known === undefined) groups.set(key, [index]);
      else known.push(index);
    }
    return groups;
  }

  close(index: FuncIndex): void {
    if (this.#open.delete(index)) this.#stale.add(index);
    for (const user of this.#users.get(index) ?? []) this.#stale.add(user);
  }

  #keyOf(f: BuildFunction): string {
    const { rest, functions } = this.#code.shape(f);
    return `${rest}${functions.map((named) => this.#inOld(named) ?? '?').join()}`;
  }
}
