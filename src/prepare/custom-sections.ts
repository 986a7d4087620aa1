// What becomes of a kernel's custom sections: kept, rewritten to stay right, or left out because they no longer would be.
// None of them can make a module invalid, so a damaged one is never a reason to refuse a kernel.

import { WgraftError } from '../errors.ts';
import {
  buildIdSection,
  type FuncIndex,
  findCustom,
  moveFunctionNames,
  producersSection,
  Reader,
  type Section,
  targetFeaturesSection,
  Writer,
} from '../wasm/index.ts';
import { setterLeaves } from './additions.ts';
import { branchHintSection, writeBranchHints } from './branch-hints.ts';
import { writeBody } from './code-section.ts';
import { isDebugSection } from './debug/index.ts';
import { type Job, writeStart } from './job.ts';
import type { PlannedFunction } from './plan.ts';
import { addFeatures, addToProducers } from './provenance.ts';
import { valueFunctionCount } from './value-functions.ts';

const stale = /^(reloc\..*|linking|sourceMappingURL|external_debug_info)$/;

/** The new payload of a custom section; undefined where it is left out. `debug`: those of the debug sections. */
export function rewriteCustom(
  section: Section,
  job: Job,
  debug: ReadonlyMap<string, Uint8Array>,
): Uint8Array | undefined {
  const payload = job.m.bytes.subarray(section.payload, section.end);
  if (stale.test(section.name) || section.name === buildIdSection) return undefined;
  if (isDebugSection(section.name)) return debug.get(section.name);
  if (section.name === 'name') return rewriteNames(payload, job);
  if (section.name.startsWith('metadata.code.')) {
    const moved = ifWellFormed(() => moveCodeMetadata(payload, job), undefined);
    const ours = section.name === branchHintSection && moved !== undefined;
    return ours ? writeBranchHints(job, moved) : moved;
  }
  if (section.name === producersSection) return ifWellFormed(() => addToProducers(job.m, section), payload);
  if (section.name === targetFeaturesSection)
    return ifWellFormed(() => addFeatures(job.m, section, job.plan), payload);
  return payload;
}

/** Hints for the guards of a kernel that has no hints of its own; they have to stand before the code. */
export function addedHints(job: Job): Uint8Array | undefined {
  const wanted =
    job.guards && job.plan.guards > 0 && findCustom(job.m.sections, branchHintSection) === undefined;
  return wanted ? writeBranchHints(job, undefined) : undefined;
}

/** Custom sections that the kernel does not have, by name. */
export function addedCustom(job: Job): Map<string, Uint8Array> {
  if (findCustom(job.m.sections, producersSection) !== undefined) return new Map();
  return new Map([[producersSection, addToProducers(job.m)]]);
}

function ifWellFormed<T, Else>(rewrite: () => T, otherwise: Else): T | Else {
  try {
    return rewrite();
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) return otherwise;
    throw error;
  }
}

/** Damaged names stay as they are, unless functions moved: then they could name the wrong ones. */
function rewriteNames(payload: Uint8Array, job: Job): Uint8Array | undefined {
  const damaged = job.plan.fentry === undefined ? payload : undefined;
  const { move } = job.plan;
  const newLabels = (index: FuncIndex): number => labelsBefore(job, index);
  return ifWellFormed(() => moveFunctionNames(payload, { move, newLabels, added: addedNames(job) }), damaged);
}

/** A guard's branches are labels, too, and labels are named by their order in a function. */
function labelsBefore(job: Job, index: FuncIndex): number {
  const planned = job.plan.functions[index - job.m.imported.func];
  let count = 0;
  if (planned !== undefined)
    writeStart(job, planned, new Writer(64), () => {
      count += 1;
    });
  return count;
}

function addedNames({ plan, places }: Job): Map<number, string> {
  const names = new Map([
    [places.set, '__wgraft_set'],
    [places.fill, '__wgraft_fill'],
  ]);
  for (let k = 0; k < setterLeaves(plan.guards); k += 1) names.set(places.firstLeaf + k, `__wgraft_set_${k}`);
  for (const { index, type } of places.redirects.values()) names.set(index, `__wgraft_redirect_${type}`);
  const values = valueFunctionCount(plan.values);
  for (let k = 0; k < values; k += 1)
    names.set((places.value?.index ?? 0) + k, k === 0 ? '__wgraft_value' : `__wgraft_value_${k - 1}`);
  return names;
}

/** Branch hints and their kin: per function, offsets of instructions from the start of its body. */
function moveCodeMetadata(payload: Uint8Array, job: Job): Uint8Array {
  const r = new Reader(payload);
  const out = new Writer(payload.length + 64);
  const count = r.count('functions');
  out.u32(count);
  for (let i = 0; i < count; i += 1) {
    const index = r.u32();
    const planned = job.plan.functions[index - job.m.imported.func] ?? r.fail('no such function');
    const move = offsetsIn(job, planned);
    const items = r.count('items', 2);
    out.u32(planned.moved).u32(items);
    for (let k = 0; k < items; k += 1) {
      const at = r.at;
      out.u32(move(r.u32()) ?? r.fail('no instruction there', at));
      out.block(r.take(r.u32()));
    }
  }
  r.finish('code metadata');
  return out.toBytes();
}

/** Where the instructions of a body go: into its guard, and up where calls of fentry hooks were before them. */
function offsetsIn(job: Job, f: PlannedFunction): (offset: number) => number | undefined {
  const guard = writeStart(job, f, new Writer(64)).length;
  const size = f.body.end - f.body.start;
  if (job.plan.fentry === undefined) return (offset) => (offset < size ? offset + guard : undefined);
  const moved = new Map<number, number>();
  writeBody(job, f, new Writer(size + guard + 64), (from, to) => moved.set(from - f.body.start, to));
  return (offset) => moved.get(offset);
}
