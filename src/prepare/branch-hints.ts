// Branch hints: for each guard, that its slot is not taken, and those that the kernel brings, moved behind the guards.
// They change no behaviour; engines that know them (V8 14) keep the taken branch out of the way.
//
//   metadata.code.branch_hint := vec(function:u32 vec(offset:u32 1:u32 hint:u8))    offsets count from the locals vector

import { Reader, skipLocals, Writer } from '../wasm/index.ts';
import { type Job, writeStart } from './job.ts';
import { isGuarded, type PlannedFunction } from './plan.ts';

export const branchHintSection = 'metadata.code.branch_hint';

/** The section's payload. `kept` are the kernel's own hints, already moved, in the same form. */
export function writeBranchHints(job: Job, kept: Uint8Array | undefined): Uint8Array {
  const items = readHints(kept);
  if (job.guards) for (const f of job.plan.functions) addGuardHints(job, f, items);
  const functions = [...items].sort(([a], [b]) => a - b);
  const out = new Writer(functions.length * 8 + 16);
  out.vector(functions, ([index, hints]) => {
    out.u32(index);
    out.vector(hints, ({ offset, value }) => out.u32(offset).block(value));
  });
  return out.view();
}

interface Hint {
  readonly offset: number;
  readonly value: Uint8Array | readonly number[];
}

function readHints(payload: Uint8Array | undefined): Map<number, Hint[]> {
  const items = new Map<number, Hint[]>();
  if (payload === undefined) return items;
  const r = new Reader(payload);
  r.vector('functions', () => {
    const index = r.u32();
    items.set(
      index,
      r.vector('hints', () => ({ offset: r.u32(), value: r.take(r.u32()) })),
    );
  });
  return items;
}

/** A guard's branches stand before all others. */
function addGuardHints(job: Job, f: PlannedFunction, items: Map<number, Hint[]>): void {
  if (!isGuarded(f)) return;
  const locals = skipLocals(job.m.bytes, f.body) - f.body.start;
  const hints: Hint[] = [];
  writeStart(job, f, new Writer(32), (at, likely) =>
    hints.push({ offset: locals + at, value: [Number(likely)] }),
  );
  items.set(f.moved, [...hints, ...(items.get(f.moved) ?? [])]);
}
