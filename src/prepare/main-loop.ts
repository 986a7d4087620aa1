// Functions that may never return: the main loop of a command, wherever its compiler put it. A patch cannot replace them while the
// program runs, so that it must not have to bring them along, as callers of a function that has no slot.

import { bodyReader, type FuncIndex, op, type WasmModule, walk } from '../wasm/index.ts';
import { none, several, type Uses } from './uses.ts';

/** Exports that run for as long as a program or a thread does (WASI, Emscripten, wasi-threads). */
const mains: ReadonlySet<string> = new Set([
  '_start',
  'main',
  '__main_argc_argv',
  '__main_void',
  'wasi_thread_start',
]);

/**
 * What code that may be the main loop calls directly, and that code itself. Empty for a library.
 * @param uses is asked only for a command: it takes a pass over all code
 */
export function aroundMainLoop(m: WasmModule, uses: () => Uses): ReadonlySet<FuncIndex> {
  const roots = m.exports.filter(({ kind, name }) => kind === 'func' && mains.has(name));
  const around = new Set<FuncIndex>();
  if (roots.length === 0) return around;
  for (const f of mayBeMainLoop(uses(), new Set(roots.map(({ index }) => index)))) {
    around.add(f);
    const body = m.bodies[f - m.imported.func];
    if (body === undefined) continue;
    walk(bodyReader(m.bytes, body), ({ opcode, index }) => {
      if (opcode === op.call || opcode === op.returnCall) around.add(index);
    });
  }
  return around;
}

/** The roots, and what only one function calls, if that one may be the main loop: a loop stands in one place. */
function mayBeMainLoop(uses: Uses, roots: ReadonlySet<FuncIndex>): Set<FuncIndex> {
  const calledOnlyBy = onlyCallees(uses);
  const found = new Set(roots);
  for (const f of found) for (const callee of calledOnlyBy.get(f) ?? []) found.add(callee); // grows while it is gone through
  return found;
}

/** By function, what no other function calls. */
function onlyCallees({ callers }: Uses): Map<FuncIndex, FuncIndex[]> {
  const found = new Map<FuncIndex, FuncIndex[]>();
  callers.forEach((caller, callee) => {
    if (caller === none || caller === several) return;
    const callees = found.get(caller);
    if (callees === undefined) found.set(caller, [callee]);
    else callees.push(callee);
  });
  return found;
}
