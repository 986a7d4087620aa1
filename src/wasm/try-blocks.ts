// Does any function have a `try`? V8 (14.6) leaves a function out of its stack traces that it inlined into a try block of
// another; whoever relies on stack traces has to know that there are such blocks.

import { op } from './instructions.ts';
import type { WasmModule } from './module.ts';
import { scan, wanted } from './scan.ts';

const tries = wanted(op.try, op.tryTable);

/** True if some body has a `try` or `try_table`. @throws WGRAFT_ERR_WASM_MALFORMED */
export function hasTryBlocks(m: WasmModule): boolean {
  return scan(m, tries, () => true);
}
