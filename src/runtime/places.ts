// Where patches have their data and their function addresses in a program whose instances share one memory: a pointer that one
// instance writes there, another follows. So all of them have a patch at the same places, its data is written once, and each
// instance's table grows up to where the others have it. Instances with memories of their own need no such agreement.

import type { FuncIndex } from '../wasm/index.ts';

/** The places of one patch. */
export interface Place {
  /** Of its data, in the shared memory. */
  memoryBase?: number;
  /** Of its first entry in table 0. */
  tableBase?: number;
  /** Its data is written, and may have been changed since. */
  hasData: boolean;
}

/** The places in plain data. */
export interface PlacesJson {
  readonly patches: Readonly<Record<string, Place>>;
  readonly functions: readonly (readonly [FuncIndex, number])[];
}

export class Places {
  readonly #patches = new Map<string, Place>();
  /** Program functions whose address a patch asked for, and their entry in table 0. */
  readonly functions: Map<FuncIndex, number> = new Map<FuncIndex, number>();

  /** @param id the patch's */
  of(id: string): Place {
    const place = this.#patches.get(id) ?? { hasData: false };
    this.#patches.set(id, place);
    return place;
  }

  /** Takes over what is known elsewhere. */
  merge({ patches, functions }: PlacesJson): void {
    for (const [id, place] of Object.entries(patches)) Object.assign(this.of(id), place);
    for (const [index, entry] of functions) this.functions.set(index, entry);
  }

  toJSON(): PlacesJson {
    return { patches: Object.fromEntries(this.#patches), functions: [...this.functions] };
  }
}
