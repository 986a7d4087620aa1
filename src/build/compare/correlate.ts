// Which function and which data of the old build a function and data of the new one is (kpatch's correlation). By name where a
// name stands for one thing on both sides. Several of one name (static ones of different files) by what stands around them,
// and by their order where that does not speak against it; else not at all: nothing is guessed. String literals and other
// anonymous constants are never correlated.

import { type FuncIndex, importKey, type WasmModule } from '../../wasm/index.ts';
import type { Build, BuildData, BuildFunction } from './build.ts';
import { likeness, Neighbours, type Thing } from './neighbours.ts';

export interface Correlation {
  /** New to old. */
  readonly functions: ReadonlyMap<FuncIndex, FuncIndex>;
  readonly data: ReadonlyMap<BuildData, BuildData>;
  /** What has counterparts of its name in the old build, of which none can be told to be it. */
  readonly ambiguous: ReadonlySet<BuildData | BuildFunction>;
}

/** How alike a thing of the new build and one of the old are, 0 to 1. */
type Alike<T> = (n: T, o: T) => number;

/** Correlates two builds. */
export function correlate(old: Build, next: Build): Correlation {
  const [ofOld, ofNew] = [new Neighbours(old), new Neighbours(next)];
  const around = (n: Thing, o: Thing): number => likeness(ofNew.of(n), ofOld.of(o));
  const functions = new Pairs<BuildFunction>((n, o) => around(n.index, o.index));
  const defined = (build: Build): BuildFunction[] => build.functions.filter((f) => f.body !== undefined);
  functions.byName(defined(old), defined(next), (f) => f.names);
  functions.byName(defined(old), defined(next), (f) => f.names.map(withoutSuffix));
  functions.byName(defined(old), defined(next), (f) => f.exports);
  const data = new Pairs<BuildData>(around);
  const named = (build: Build): BuildData[] => build.data.filter((d) => !d.anonymous);
  const pieces = piecesOf([...named(old), ...named(next)]);
  data.byName(named(old), named(next), (d) => d.names.map((n) => (pieces.has(n) ? n : withoutSuffix(n))));
  data.refuseRest(named(old), named(next), (d) => d.names.map(withoutSuffix));
  return {
    functions: new Map([
      ...correlateImports(old.module, next.module),
      ...[...functions.found].map(([n, o]): [FuncIndex, FuncIndex] => [n.index, o.index]),
    ]),
    data: data.found,
    ambiguous: new Set([...functions.ambiguous, ...data.ambiguous]),
  };
}

/** Imported functions are what their names say: from those of `next` to those of `old`. Of several of one name, each in its turn. */
export function correlateImports(old: WasmModule, next: WasmModule): [FuncIndex, FuncIndex][] {
  const known = importsByName(old);
  return [...importsByName(next)].flatMap(([name, news]) => {
    const olds = known.get(name) ?? [];
    return news.flatMap((n, i): [FuncIndex, FuncIndex][] => {
      const o = olds[i] ?? olds.at(-1);
      return o === undefined ? [] : [[n, o]];
    });
  });
}

function importsByName({ importsOf }: WasmModule): Map<string, FuncIndex[]> {
  const found = new Map<string, FuncIndex[]>();
  for (const [index, i] of importsOf.func.entries()) {
    const key = importKey(i);
    const known = found.get(key);
    if (known === undefined) found.set(key, [index]);
    else known.push(index);
  }
  return found;
}

/** `buffer.12` is what a compiler makes of a second `buffer`; the number means nothing from one build to the next. */
function withoutSuffix(name: string): string {
  return name.replace(/\.\d+$/, '');
}

/** `state.0`, `state.1` without a `state` are the members of a struct that the optimizer took apart: there the number counts. */
function piecesOf(all: readonly BuildData[]): Set<string> {
  const names = new Set(all.flatMap((d) => d.names));
  return new Set([...names].filter((n) => withoutSuffix(n) !== n && !names.has(withoutSuffix(n))));
}

class Pairs<T> {
  /** New to old. */
  readonly found: Map<T, T> = new Map();
  readonly ambiguous: Set<T> = new Set();
  readonly #taken = new Set<T>();
  readonly #alike: Alike<T>;

  constructor(alike: Alike<T>) {
    this.#alike = alike;
  }

  byName(old: readonly T[], next: readonly T[], namesOf: (item: T) => readonly string[]): void {
    const open = next.filter((n) => !this.ambiguous.has(n));
    for (const [olds, news] of this.#groups(old, open, namesOf)) {
      if (olds.length === 1 && news.length === 1) this.#add(news[0], olds[0]);
      else if (this.#inOrder(olds, news)) for (const [i, n] of news.entries()) this.#add(n, olds[i]);
      else this.#byNeighbours(olds, news);
    }
  }

  /** What still has counterparts of its name is none of them for certain. */
  refuseRest(old: readonly T[], next: readonly T[], namesOf: (item: T) => readonly string[]): void {
    for (const [, news] of this.#groups(old, next, namesOf)) for (const n of news) this.ambiguous.add(n);
  }

  /** What is free on both sides, by name. */
  *#groups(
    old: readonly T[],
    next: readonly T[],
    namesOf: (item: T) => readonly string[],
  ): Generator<[olds: T[], news: T[]]> {
    const [byOld, byNew] = [group(old, namesOf), group(next, namesOf)];
    for (const [name, all] of byNew) {
      const news = all.filter((n) => !this.found.has(n));
      const olds = (byOld.get(name) ?? []).filter((o) => !this.#taken.has(o));
      if (news.length > 0 && olds.length > 0) yield [olds, news];
    }
  }

  /** As many on both sides, and each like the one of its place, none more like another. */
  #inOrder(olds: readonly T[], news: readonly T[]): boolean {
    if (olds.length !== news.length || olds.length > mostAlike) return false;
    return news.every((n, i) => {
      const o = olds[i];
      if (o === undefined) return false;
      const own = this.#alike(n, o);
      if (own === 0) return false;
      return olds.every((p) => this.#alike(n, p) <= own) && news.every((m) => this.#alike(m, o) <= own);
    });
  }

  /** Pairs those of which each is the only one most like the other; what is left over on both sides stays unknown. */
  #byNeighbours(olds: readonly T[], news: readonly T[]): void {
    const few = olds.length <= mostAlike && news.length <= mostAlike;
    const pairs = few
      ? news.flatMap((n): [T, T][] => {
          const o = best(olds, (p) => this.#alike(n, p));
          return o !== undefined && best(news, (m) => this.#alike(m, o)) === n ? [[n, o]] : [];
        })
      : [];
    for (const [n, o] of pairs) this.#add(n, o);
    const rest = news.filter((n) => !this.found.has(n));
    if (rest.length === 0 || olds.every((o) => this.#taken.has(o))) return;
    for (const n of rest) this.ambiguous.add(n);
  }

  #add(n: T | undefined, o: T | undefined): void {
    if (n === undefined || o === undefined) return;
    this.found.set(n, o);
    this.#taken.add(o);
    this.ambiguous.delete(n);
  }
}

/** Every one of a group is held against every other, so a group of more than this many stays unknown. */
const mostAlike = 500;

/** The only one with the highest score, if that is above 0. */
function best<T>(items: readonly T[], score: (item: T) => number): T | undefined {
  let [found, highest]: [T | undefined, number] = [undefined, 0];
  for (const item of items) {
    const own = score(item);
    if (own === highest) found = undefined;
    if (own > highest) [found, highest] = [item, own];
  }
  return found;
}

function group<T>(items: readonly T[], namesOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    for (const name of new Set(namesOf(item))) {
      const known = groups.get(name);
      if (known === undefined) groups.set(name, [item]);
      else known.push(item);
    }
  }
  return groups;
}
