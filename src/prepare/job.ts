// One splice: the module, the plan, and where the additions will stand.

import { type GlobalType, numberTypes, type WasmModule, type Writer } from '../wasm/index.ts';
import { type Places, writeGuard } from './additions.ts';
import { isGuarded, type Plan, type PlannedFunction } from './plan.ts';

/** What every step of one splice needs. */
export interface Job {
  readonly m: WasmModule;
  readonly plan: Plan;
  readonly places: Places;
  readonly guards: boolean;
}

/** A global that patches import; of one that never changes and is a number they have a copy. */
export function isExported({ mutable, type }: GlobalType): boolean {
  return mutable || numberTypes[type] === undefined;
}

/** The guard that stands in front of a function's body; nothing where it has none. */
export function guardOf(job: Job, f: PlannedFunction, out: Writer): Writer {
  if (!job.guards || !isGuarded(f)) return out;
  const redirect = job.places.redirects.get(job.m.functions[f.index] ?? 0);
  if (redirect !== undefined) writeGuard(out, job.places, f.slot, redirect);
  return out;
}
