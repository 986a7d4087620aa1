// Does any function have a `try`? V8 (14.6) leaves a function out of its stack traces that it inlined into a try block of
// another; whoever relies on stack traces has to know that there are such blocks.

import { op, walk } from './instructions.ts';
import { bodyReader, type WasmModule } from './module.ts';

/** True if some body has a `try` or `try_table`. Bodies without a byte that could be one are not walked. */
export function hasTryBlocks(m: WasmModule): boolean {
  return m.bodies.some((body) => {
    const code = m.bytes.subarray(body.start, body.end);
    if (!code.includes(op.try) && !code.includes(op.tryTable)) return false;
    let found = false;
    walk(bodyReader(m.bytes, body), (i) => {
      if (i.opcode === op.try || i.opcode === op.tryTable) found = true;
    });
    return found;
  });
}
