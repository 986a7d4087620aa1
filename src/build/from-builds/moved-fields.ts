// What code shows of struct layouts where no debug information does: a function that does the same as before, but whose
// loads and stores have other offsets, uses the same fields in other places. Functions with a frame of their own are left out,
// since what moved there may be a local variable.
//
// One field in another place may as well be another field, as where a fix corrects `s->size` to `s->length`. Several that moved
// by the same distance are those behind a field that came or went.

import { op, Reader } from '../../wasm/index.ts';
import type { BuildFunction } from '../compare/build.ts';
import type { Comparison, FunctionChange } from '../compare/compare.ts';
import { instructionsOf, Uses } from '../compare/equality.ts';

export interface MovedFields {
  /** The functions of the new build that show it. */
  readonly functions: readonly BuildFunction[];
  /** The offsets of the fields in the old build, each once and in order; all moved by `distance` bytes. */
  readonly offsets: readonly number[];
  readonly distance: number;
}

/** Finds the fields that moved by one distance, the most convincing first. `isKnown`: debug information says more of it. */
export function movedFields(
  comparison: Comparison,
  isKnown: (change: FunctionChange) => boolean,
): MovedFields[] {
  const byDistance = new Map<number, { functions: Set<BuildFunction>; offsets: Set<number> }>();
  for (const change of comparison.changed) {
    if (change.how.kind !== 'body' || isKnown(change)) continue;
    for (const { old, new: now } of movedAccesses(comparison, change)) {
      const found = byDistance.get(now - old) ?? { functions: new Set(), offsets: new Set() };
      found.functions.add(change.new);
      found.offsets.add(old);
      byDistance.set(now - old, found);
    }
  }
  return [...byDistance]
    .map(([distance, { functions, offsets }]) => ({
      functions: [...functions],
      offsets: [...offsets].sort((a, b) => a - b),
      distance,
    }))
    .sort((a, b) => b.offsets.length - a.offsets.length || a.distance - b.distance);
}

/** Offsets of the loads and stores that differ, if nothing else does. */
function movedAccesses(
  { old, new: next, equality }: Comparison,
  change: FunctionChange,
): { old: number; new: number }[] {
  const [before, now] = [instructionsOf(old, change.old), instructionsOf(next, change.new)];
  const moved: { old: number; new: number }[] = [];
  if (before.length !== now.length) return [];
  const uses = { old: new Uses(change.old), new: new Uses(change.new) };
  for (const [k, i] of now.entries()) {
    const o = before[k];
    if (o === undefined || o.opcode !== i.opcode || i.opcode === op.globalGet) return [];
    const [[a], [b]] = [uses.new.of(i), uses.old.of(o)];
    if (a !== undefined && b !== undefined) {
      if (!equality.references(a, b)) return [];
      continue;
    }
    const bytes = [
      next.module.bytes.subarray(i.at, i.next),
      old.module.bytes.subarray(o.at, o.next),
    ] as const;
    if (Buffer.compare(...bytes) === 0) continue;
    const [access, was] = [accessOf(bytes[0]), accessOf(bytes[1])];
    if (access === undefined || was === undefined || access.alignment !== was.alignment) return [];
    moved.push({ old: was.offset, new: access.offset });
  }
  return moved;
}

const [firstAccess, lastAccess] = [0x28, 0x3e];

/** The offset of a load or store of the first memory. */
function accessOf(bytes: Uint8Array): { alignment: number; offset: number } | undefined {
  const r = new Reader(bytes);
  const opcode = r.u8();
  if (opcode < firstAccess || opcode > lastAccess) return undefined;
  const alignment = r.u32();
  return alignment >= 64 ? undefined : { alignment, offset: Number(r.u64()) };
}
