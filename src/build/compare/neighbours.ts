// What stands around a function or a variable: whom it uses and who uses it, by name. Things of one name (static ones of
// different files) are told apart by it.

import type { FuncIndex, LinkSymbol } from '../../wasm/index.ts';
import type { Build, BuildData } from './build.ts';

export type Thing = FuncIndex | BuildData;

/** The names around each function and variable of a build; worked out when it is first asked for. */
export class Neighbours {
  readonly #build: Build;
  #around: Map<Thing, Set<string>> | undefined;

  constructor(build: Build) {
    this.#build = build;
  }

  of(thing: Thing): ReadonlySet<string> {
    this.#around ??= namesAround(this.#build);
    return this.#around.get(thing) ?? new Set();
  }
}

function namesAround(build: Build): Map<Thing, Set<string>> {
  const around = new Map<Thing, Set<string>>();
  const note = (thing: Thing, name: string | undefined): void => {
    if (name === undefined) return;
    const known = around.get(thing);
    if (known === undefined) around.set(thing, new Set([name]));
    else known.add(name);
  };
  const join = (from: Thing, fromName: string | undefined, to: Thing | undefined): void => {
    if (to === undefined || to === from) return;
    note(to, fromName);
    note(from, nameOf(build, to));
  };
  const named = (s: LinkSymbol | undefined): Thing | undefined =>
    s === undefined ? undefined : s.kind === 'func' ? s.index : build.dataOf.get(s);
  for (const f of build.functions) {
    for (const r of f.references) join(f.index, f.names[0], named(r.symbol));
  }
  for (const d of build.data) {
    for (const r of d.references) join(d, nameOf(build, d), named(r.symbol));
  }
  return around;
}

function nameOf(build: Build, thing: Thing): string | undefined {
  if (typeof thing === 'number') return build.functions[thing]?.names[0];
  return thing.anonymous ? undefined : thing.name;
}

/** How alike two neighbourhoods are: 0 nothing is shared, 1 all is, and also where there is nothing. */
export function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const name of a) if (b.has(name)) shared += 1;
  const all = a.size + b.size - shared;
  return all === 0 ? 1 : shared / all;
}
