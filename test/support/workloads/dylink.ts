// The grammars of tree-sitter-wasms were built when dynamic linking was described by a section `dylink`; today's
// loaders read `dylink.0`. Both hold the same four numbers, so the newer one can be written from the older one.

import { readSections, sectionReader, Writer } from '../../../src/wasm/index.ts';

/** The module with its `dylink` section, which must be the first one, written as `dylink.0`. */
export function dylink0(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const [first] = readSections(bytes);
  if (first?.name !== 'dylink') throw new Error('the module has no dylink section');
  const r = sectionReader(bytes, first);
  // Memory size and alignment, table size and alignment: the payload of the subsection MEM_INFO (1).
  const needs = new Writer(16).u32(r.u32()).u32(r.u32()).u32(r.u32()).u32(r.u32());
  const memoryInfo = new Writer(16).u8(1).block(needs.toBytes());
  const out = new Writer(bytes.length + 16).raw(bytes.subarray(0, 8));
  return new Uint8Array(
    out.custom('dylink.0', memoryInfo.toBytes()).raw(bytes.subarray(first.end)).toBytes(),
  );
}
