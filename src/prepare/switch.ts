// A switch in Wasm: nested blocks, and a table of branches out of them.

import { emptyBlock, op, type Writer } from '../wasm/index.ts';

/**
 * Writes `switch (select) { case …: one(case, i); return } trap` and the end of the function. `cases` go up from 0 or more; what `one`
 * leaves is the function's result.
 */
export function writeSwitch(
  out: Writer,
  cases: readonly number[],
  select: () => void,
  one: (value: number, i: number) => void,
): void {
  for (let i = 0; i <= cases.length; i += 1) out.u8(op.block).u8(emptyBlock);
  select();
  const size = (cases.at(-1) ?? -1) + 1;
  out.u8(op.brTable).u32(size);
  const place = new Map(cases.map((value, i) => [value, i]));
  for (let value = 0; value < size; value += 1) out.u32(place.get(value) ?? cases.length);
  out.u32(cases.length);
  cases.forEach((value, i) => {
    out.u8(op.end);
    one(value, i);
    out.u8(op.return);
  });
  out.u8(op.end).u8(op.unreachable).u8(op.end);
}
