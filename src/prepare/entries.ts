// Which functions something outside the code can name: exports, element segments, initialisers. `ref.func` in a body is
// legal only for functions that also stand in one of these places, so bodies need not be read.

import { type FuncIndex, op, Reader, type WasmModule, walkConstant } from '../wasm/index.ts';

/** Functions that are exported. */
export function exportedFunctions(m: WasmModule): Set<FuncIndex> {
  return new Set(m.exports.flatMap((e) => (e.kind === 'func' ? [e.index] : [])));
}

/** Functions whose address is taken: by an element segment, or by the initialiser of a global or a table. */
export function addressTaken(m: WasmModule): Set<FuncIndex> {
  const taken = new Set<FuncIndex>();
  const constant = (r: Reader): void =>
    walkConstant(r, (i) => {
      if (i.opcode === op.refFunc) taken.add(i.index);
    });
  for (const { expressions, entries, functions } of m.elements) {
    // An object that an expression makes can name several functions.
    const r = new Reader(m.bytes, entries.start, entries.end);
    if (expressions) r.vector('elements', () => constant(r));
    else for (const f of functions) if (f !== undefined) taken.add(f);
  }
  for (const { init } of [...m.globals, ...m.tables])
    if (init !== undefined) constant(new Reader(m.bytes, init.start, init.end));
  return taken;
}
