// Addresses of code in Wasm's DWARF are offsets in the code section: which function does one stand in?

import { type Body, sectionIds, type WasmModule } from '../../wasm/index.ts';

export interface BodyPlaces {
  /** Where the code section's payload starts in the file. */
  readonly origin: number;
  readonly bodies: readonly Body[];
  /** Index of the first one. */
  readonly imported: number;
}

export function bodyPlaces({ sections, bodies, imported }: WasmModule): BodyPlaces {
  const origin = sections.find((s) => s.id === sectionIds.code)?.payload ?? 0;
  return { origin, bodies, imported: imported.func };
}

/** The index of the function; undefined for an address outside all bodies, which code that the linker left out has. */
export function bodyAt({ origin, bodies, imported }: BodyPlaces, address: number): number | undefined {
  const at = origin + address;
  let low = 0;
  for (let high = bodies.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((bodies[middle]?.end ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  const found = bodies[low];
  return found !== undefined && at >= found.start ? imported + low : undefined;
}
