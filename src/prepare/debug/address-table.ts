// `.debug_addr`: addresses that others name by number. Some are addresses of data; only those that are named as code move.

import type { DebugSections, Unit } from '../../wasm/dwarf/index.ts';
import type { AddressMap } from './address-map.ts';
import { get32, put32 } from './fixed.ts';

export class AddressTable {
  readonly #sections: DebugSections;
  /** Where addresses of code stand in the section. */
  readonly #code = new Set<number>();

  constructor(sections: DebugSections) {
    this.#sections = sections;
  }

  /** The address of code with that number, in the kernel. */
  code({ addressesBase }: Unit, index: number): number {
    const offset = addressesBase + 4 * index;
    const address = this.#sections.fixed(this.#sections.reader('.debug_addr', offset), 4);
    this.#code.add(offset);
    return address;
  }

  /** The section for the prepared module. */
  moved(map: AddressMap): Uint8Array {
    const r = this.#sections.reader('.debug_addr');
    const bytes = r.take(r.left).slice();
    for (const offset of this.#code) put32(bytes, offset, map.of(get32(bytes, offset)));
    return bytes;
  }
}
