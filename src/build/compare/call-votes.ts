// What calls say of functions without a counterpart: a pair that makes as many calls in both builds calls, place by place, the
// same functions. Each pair is asked once; where all that were asked agree, they name another pair.

import type { FuncIndex } from '../../wasm/index.ts';
import type { CanonicalCodes } from './canonical.ts';
import type { Pair } from './code-groups.ts';

export class CallVotes {
  readonly #codes: CanonicalCodes;
  readonly #isOpen: { readonly new: (n: FuncIndex) => boolean; readonly old: (o: FuncIndex) => boolean };
  /** For which old functions a new one was named, and the other way round. */
  readonly #olds = new Map<FuncIndex, Set<FuncIndex>>();
  readonly #news = new Map<FuncIndex, Set<FuncIndex>>();
  /** New functions that may have become unanimous. */
  readonly #changed = new Set<FuncIndex>();
  readonly #unasked: Pair[] = [];

  constructor(
    codes: CanonicalCodes,
    isOpen: { readonly new: (n: FuncIndex) => boolean; readonly old: (o: FuncIndex) => boolean },
  ) {
    this.#codes = codes;
    this.#isOpen = isOpen;
  }

  /** The pairs that all calls agree on, as far as it is known now. */
  pairs(): Pair[] {
    for (const pair of this.#unasked.splice(0)) this.#ask(pair);
    const found = [...this.#changed].flatMap((n): Pair[] => {
      const o = only(this.#olds.get(n));
      return o !== undefined && only(this.#news.get(o)) === n ? [[n, o]] : [];
    });
    this.#changed.clear();
    return found;
  }

  /** The two are a pair now. */
  close([n, o]: Pair): void {
    this.#unasked.push([n, o]);
    for (const other of this.#olds.get(n) ?? []) {
      const rest = this.#news.get(other);
      rest?.delete(n);
      const left = only(rest);
      if (left !== undefined) this.#changed.add(left);
    }
    for (const other of this.#news.get(o) ?? []) {
      this.#olds.get(other)?.delete(o);
      this.#changed.add(other);
    }
    this.#olds.delete(n);
    this.#news.delete(o);
  }

  #ask([n, o]: Pair): void {
    const { new: next, old } = this.#codes;
    const now = next.build.functions[n]?.callees ?? [];
    const before = old.build.functions[o]?.callees ?? [];
    if (now.length !== before.length) return;
    for (const [i, callee] of now.entries()) {
      const was = before[i];
      if (was === undefined || !this.#isOpen.new(callee) || !this.#isOpen.old(was)) continue;
      if (next.type(callee) !== old.type(was)) continue;
      add(this.#olds, callee, was);
      add(this.#news, was, callee);
      this.#changed.add(callee);
    }
  }
}

function only(set: ReadonlySet<FuncIndex> | undefined): FuncIndex | undefined {
  if (set?.size !== 1) return undefined;
  const [first] = set;
  return first;
}

function add(sets: Map<FuncIndex, Set<FuncIndex>>, key: FuncIndex, value: FuncIndex): void {
  const known = sets.get(key);
  if (known === undefined) sets.set(key, new Set([value]));
  else known.add(value);
}
