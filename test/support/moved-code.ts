// Where code went when a module was prepared, found out from both modules alone: a body's instructions stand in the prepared body as
// they were, whatever is in front of them now, and either are all of it or are the first arm of an `if`, whose `else` has taken the place
// of their `end`. Knows nothing of how preparing moves things.

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

const [end, otherwise] = ['0b', '05'];

/** Where the instructions that stay begin among the others: the only place there is. */
function placeOf(before: readonly Instruction[], after: readonly Instruction[]): number | undefined {
  const texts = before.filter(({ removed }) => !removed).map(({ text }) => text);
  const now = after.map(({ text }) => text);
  if (texts.at(-1) !== end) return undefined;
  const wanted = now.length === texts.length ? texts : [...texts.slice(0, -1), otherwise];
  const places = [...now.keys()].filter((at) => wanted.every((text, k) => now[at + k] === text));
  const [place, ...more] = places;
  return more.length === 0 ? place : undefined;
}

function fail(what: string): never {
  throw new Error(what);
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
    let next = placeOf(before, after) ?? fail(`function ${i} has not these instructions`);
    for (const instruction of before) {
      const there = after[next] ?? fail(`function ${i} has no such instruction at ${instruction.at}`);
      to.set(instruction.at, there.at);
      if (!instruction.removed) next += 1;
      count += 1;
    }
    if (skipLocals(old.bytes, body) - body.start !== skipLocals(prepared.bytes, now) - now.start)
      throw new Error(`function ${i} has other locals`);
    to.set(body.start, now.start);
    to.set(body.end, now.end);
  });
  return { to, count };
}
