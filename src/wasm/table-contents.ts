// What stands in the program's own table when it starts.

import type { FuncIndex } from './indices.ts';
import type { WasmModule } from './module.ts';
import { segmentAddress } from './symbols.ts';

/** Which function stands at each index of table 0, as the active segments of constant offset say; later ones win. */
export function tableContents(m: WasmModule): Map<number, FuncIndex | undefined> {
  const entries = new Map<number, FuncIndex | undefined>();
  for (const segment of m.elements) {
    if (segment.mode !== 'active' || segment.table !== 0) continue;
    const start = segmentAddress(m, segment);
    if (start === undefined) continue;
    segment.functions.forEach((f, i) => {
      entries.set(start + i, f);
    });
  }
  return entries;
}
