// `__wgraft_value(global) -> externref`, which says what immutable globals hold (src/patch/global-offer.ts), and its leaves, each for
// some of the globals: one function with a case for each of thousands would be slow to compile.

import { globalOffer } from '../patch/index.ts';
import { type FuncIndex, type GlobalIndex, hierarchyOf, op, type WasmModule, Writer } from '../wasm/index.ts';
import { writeSwitch } from './switch.ts';

const leafSize = 256;

/** The globals whose values patches can ask for. */
export function valueGlobals({ globals, types }: WasmModule): readonly GlobalIndex[] {
  return globals.flatMap((g, index) => (globalOffer(g, types) === 'value' ? [index] : []));
}

/** How many functions they take: none where there are no such globals. */
export function valueFunctionCount(values: readonly GlobalIndex[]): number {
  return values.length === 0 ? 0 : 1 + leaves(values).size;
}

/** The bodies of `__wgraft_value`, which stands at `first`, and of its leaves, in this order. */
export function valueBodies(m: WasmModule, values: readonly GlobalIndex[], first: FuncIndex): Uint8Array[] {
  if (values.length === 0) return [];
  const byLeaf = leaves(values);
  const numbers = [...byLeaf.keys()];
  return [rootBody(numbers, first + 1), ...numbers.map((leaf) => leafBody(m, byLeaf.get(leaf) ?? []))];
}

function leaves(values: readonly GlobalIndex[]): Map<number, GlobalIndex[]> {
  return Map.groupBy(values, (index) => Math.floor(index / leafSize));
}

function rootBody(numbers: readonly number[], firstLeaf: FuncIndex): Uint8Array {
  const out = new Writer(numbers.length * 16 + 32).u8(0);
  const select = (): void => {
    out.u8(op.localGet).u32(0).u8(op.i32Const).s32(leafSize).u8(op.i32DivU);
  };
  writeSwitch(out, numbers, select, (_, i) => {
    out
      .u8(op.localGet)
      .u32(0)
      .u8(op.call)
      .u32(firstLeaf + i);
  });
  return out.toBytes();
}

function leafBody({ globals, types }: WasmModule, values: readonly GlobalIndex[]): Uint8Array {
  const out = new Writer(values.length * 12 + 64).u8(0);
  const [first = 0] = values;
  const select = (): void => {
    out.u8(op.localGet).u32(0).u8(op.i32Const).s32(first).u8(op.i32Sub);
  };
  const cases = values.map((index) => index - first);
  writeSwitch(out, cases, select, (distance) => {
    const index = first + distance;
    out.u8(op.globalGet).u32(index);
    if (hierarchyOf(globals[index]?.type ?? '', types) === 'any')
      // extern.convert_any
      out.raw([0xfb, 0x1b]);
  });
  return out.toBytes();
}
