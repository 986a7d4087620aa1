// Where code went when a module was prepared, found out from both modules alone: a body's instructions are the last ones of the
// prepared body, whatever stands in front of them now. Knows nothing of how preparing moves things.

import { type Body, bodyReader, op, skipLocals, type WasmModule, walk } from '../../src/wasm/index.ts';

interface Instruction {
  readonly at: number;
  readonly removed: boolean;
  readonly text: string;
}

function instructionsOf(m: WasmModule, body: Body, hook: number | undefined): Instruction[] {
  const found: Instruction[] = [];
  walk(bodyReader(m.bytes, body), (i) => {
    const removed = i.opcode === op.call && i.index === hook;
    // Calls name other indices where an import went away.
    const isCall = i.opcode === op.call || i.opcode === op.refFunc;
    const text = isCall ? `${i.opcode}` : Buffer.from(m.bytes.subarray(i.at, i.next)).toString('hex');
    found.push({ at: i.at, removed, text });
  });
  return found;
}

export interface MovedCode {
  /** Offset in the prepared file of what stands at that offset in the kernel's; undefined where no instruction or body starts or ends. */
  readonly to: ReadonlyMap<number, number>;
  /** Instructions and whole bodies that were found again. */
  readonly count: number;
}

/** @param hook index of the function whose calls go away */
export function movedCode(old: WasmModule, prepared: WasmModule, hook?: number): MovedCode {
  const to = new Map<number, number>();
  let count = 0;
  old.bodies.forEach((body, i) => {
    const now = prepared.bodies[i];
    if (now === undefined) throw new Error(`function ${i} is gone`);
    const before = instructionsOf(old, body, hook);
    const after = instructionsOf(prepared, now, undefined);
    let next = after.length;
    for (const instruction of before.toReversed()) {
      if (!instruction.removed) next -= 1;
      const there = after[next];
      if (there === undefined || (!instruction.removed && there.text !== instruction.text))
        throw new Error(`function ${i} has no such instruction at ${instruction.at}`);
      to.set(instruction.at, there.at);
      count += 1;
    }
    if (skipLocals(old.bytes, body) - body.start !== skipLocals(prepared.bytes, now) - now.start)
      throw new Error(`function ${i} has other locals`);
    to.set(body.start, now.start);
    to.set(body.end, now.end);
  });
  return { to, count };
}
