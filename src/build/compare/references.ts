// The fields of code and data that the linker filled in, in the order of their places.

import {
  type LinkSymbol,
  type Range,
  type Relocation,
  readRelocations,
  sectionIds,
  type WasmModule,
} from '../../wasm/index.ts';

export interface Reference {
  /** Offset of the field in the file. */
  readonly at: number;
  readonly relocation: Relocation;
  /** What it names; undefined for a type index. */
  readonly symbol: LinkSymbol | undefined;
}

export interface References {
  readonly code: readonly Reference[];
  readonly data: readonly Reference[];
}

export function readReferences(m: WasmModule, symbols: readonly LinkSymbol[]): References {
  const found: { code: Reference[]; data: Reference[] } = { code: [], data: [] };
  for (const { target, entries } of readRelocations(m)) {
    const list =
      target?.id === sectionIds.code ? found.code : target?.id === sectionIds.data ? found.data : undefined;
    if (target === undefined || list === undefined) continue;
    for (const relocation of entries) {
      const symbol = relocation.type.target === 'type' ? undefined : symbols[relocation.index];
      list.push({ at: target.payload + relocation.offset, relocation, symbol });
    }
  }
  const byPlace = (a: Reference, b: Reference): number => a.at - b.at;
  return { code: found.code.sort(byPlace), data: found.data.sort(byPlace) };
}

/** Those of `sorted` that stand in the range. */
export function within(sorted: readonly Reference[], range: Range): Reference[] {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.at ?? 0) < range.start) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < sorted.length && (sorted[end]?.at ?? 0) < range.end) end += 1;
  return sorted.slice(low, end);
}
