// Which function and which data of the old build a function and data of the new one is (kpatch's correlation). By name where a
// name stands for one thing on both sides; several of one name (static functions of different files) by their order, if there
// are as many; else not at all: nothing is guessed. String literals and other anonymous constants are never correlated.

import type { FuncIndex } from '../../wasm/index.ts';
import type { Build, BuildData, BuildFunction } from './build.ts';

export interface Correlation {
  /** New to old. */
  readonly functions: ReadonlyMap<FuncIndex, FuncIndex>;
  readonly data: ReadonlyMap<BuildData, BuildData>;
  /** Names of which there are several, in different numbers: none of them is correlated. */
  readonly ambiguous: ReadonlySet<string>;
}

/** Correlates two builds. */
export function correlate(old: Build, next: Build): Correlation {
  const ambiguous = new Set<string>();
  const functions = new Map<FuncIndex, FuncIndex>(correlateImports(old, next));
  const defined = (build: Build): BuildFunction[] => build.functions.filter((f) => f.body !== undefined);
  for (const nameOf of [(name: string) => name, withoutSuffix]) {
    const left = defined(next).filter((f) => !functions.has(f.index));
    const taken = new Set(functions.values());
    const pairs = pair(
      defined(old).filter((f) => !taken.has(f.index)),
      left,
      (f) => f.names.map(nameOf),
      ambiguous,
    );
    for (const [n, o] of pairs) functions.set(n.index, o.index);
  }
  const data = new Map<BuildData, BuildData>();
  const named = (build: Build): BuildData[] => build.data.filter((d) => !d.anonymous);
  for (const nameOf of [(name: string) => name, withoutSuffix]) {
    const taken = new Set(data.values());
    const pairs = pair(
      named(old).filter((d) => !taken.has(d)),
      named(next).filter((d) => !data.has(d)),
      (d) => [nameOf(d.name)],
      ambiguous,
    );
    for (const [n, o] of pairs) data.set(n, o);
  }
  return { functions, data, ambiguous };
}

function correlateImports(old: Build, next: Build): [FuncIndex, FuncIndex][] {
  const key = (i: { module: string; name: string }): string => JSON.stringify([i.module, i.name]);
  const known = new Map(
    old.module.imports.filter((i) => i.kind === 'func').map((i, index) => [key(i), index]),
  );
  return next.module.imports
    .filter((i) => i.kind === 'func')
    .flatMap((i, index): [FuncIndex, FuncIndex][] => {
      const found = known.get(key(i));
      return found === undefined ? [] : [[index, found]];
    });
}

/** `buffer.12` is what a compiler makes of a second `buffer`; the number means nothing from one build to the next. */
function withoutSuffix(name: string): string {
  return name.replace(/\.\d+$/, '');
}

function pair<T>(
  old: readonly T[],
  next: readonly T[],
  namesOf: (item: T) => readonly string[],
  ambiguous: Set<string>,
): Map<T, T> {
  const pairs = new Map<T, T>();
  const taken = new Set<T>();
  const [byOld, byNew] = [group(old, namesOf), group(next, namesOf)];
  for (const [name, news] of byNew) {
    const free = news.filter((n) => !pairs.has(n));
    const olds = (byOld.get(name) ?? []).filter((o) => !taken.has(o));
    if (free.length === 0 || olds.length === 0) continue;
    if (free.length !== olds.length) {
      ambiguous.add(name);
      continue;
    }
    ambiguous.delete(name);
    free.forEach((n, i) => {
      const o = olds[i];
      if (o === undefined) return;
      pairs.set(n, o);
      taken.add(o);
    });
  }
  return pairs;
}

function group<T>(items: readonly T[], namesOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    for (const name of new Set(namesOf(item))) groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return groups;
}
