// One splice: the module, the plan, and where the additions will stand.

import type { WasmModule, Writer } from '../wasm/index.ts';
import { type Places, writeGuard } from './additions.ts';
import type { Plan, PlannedFunction } from './plan.ts';

/** What every step of one splice needs. */
export interface Job {
  readonly m: WasmModule;
  readonly plan: Plan;
  readonly places: Places;
  readonly guards: boolean;
}

/** The guard that stands in front of a function's body; nothing where it has no slot. */
export function guardOf(job: Job, f: PlannedFunction, out: Writer): Writer {
  if (!job.guards || f.slot === undefined) return out;
  const redirect = job.places.redirects.get(job.m.functions[f.index] ?? 0);
  if (redirect !== undefined) writeGuard(out, job.places, f.slot, redirect);
  return out;
}
