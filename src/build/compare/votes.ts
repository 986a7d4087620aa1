// Which functions without a counterpart others take for a pair. Two are one where all votes for either name the other.

import type { FuncIndex } from '../../wasm/index.ts';
import type { Pair } from './code-groups.ts';

export class Votes {
  /** What new functions were taken for, and the other way round. */
  readonly #olds = new Map<FuncIndex, Set<FuncIndex>>();
  readonly #news = new Map<FuncIndex, Set<FuncIndex>>();
  /** New functions of which all votes may agree since they were looked at. */
  readonly #changed = new Set<FuncIndex>();

  add([n, o]: Pair): void {
    add(this.#olds, n, o);
    add(this.#news, o, n);
    this.#changed.add(n);
  }

  /** The pairs that all votes agree on, of those that may have become such. */
  agreed(): Pair[] {
    const found = [...this.#changed].flatMap((n): Pair[] => {
      const o = only(this.#olds.get(n));
      return o !== undefined && only(this.#news.get(o)) === n ? [[n, o]] : [];
    });
    this.#changed.clear();
    return found;
  }

  /** The two have a counterpart now: votes that name one of them count no more. */
  close([n, o]: Pair): void {
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
