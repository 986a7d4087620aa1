// One splice: the module, the plan, and where the additions will stand.

import { op, type WasmModule, type Writer } from '../wasm/index.ts';
import { type Guard, type OnBranch, type Places, writeGuard, writeWayOut } from './additions.ts';
import { isGuarded, type Plan, type PlannedFunction } from './plan.ts';

/** What every step of one splice needs. */
export interface Job {
  readonly m: WasmModule;
  readonly plan: Plan;
  readonly places: Places;
  readonly guards: boolean;
}

/** Writes what stands between a body's locals and its instructions: its guard, if it has one. */
export function writeStart(job: Job, f: PlannedFunction, out: Writer, onBranch?: OnBranch): Writer {
  const guard = guardOf(job, f);
  if (guard !== undefined) writeGuard(out, job.places, guard, onBranch);
  return out;
}

/** Writes how a body ends, its last `end` included. */
export function writeEnd(job: Job, f: PlannedFunction, out: Writer): Writer {
  const guard = guardOf(job, f);
  if (guard === undefined) return out.u8(op.end);
  writeWayOut(out, job.places, guard);
  return out;
}

function guardOf({ m, places, guards }: Job, f: PlannedFunction): Guard | undefined {
  if (!guards || !isGuarded(f)) return undefined;
  const redirect = places.redirects.get(m.functions[f.index] ?? 0);
  return redirect && { slotWord: places.firstSlot + f.slot, redirect };
}
