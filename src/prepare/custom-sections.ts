// What becomes of a kernel's custom sections: kept, rewritten to stay right, or left out because they no longer would be.

import { buildIdSection, moveFunctionNames, Reader, type Section, Writer } from '../wasm/index.ts';
import { guardOf, type Job } from './job.ts';

const stale = /^(reloc\..*|linking|\.debug_.*|sourceMappingURL|external_debug_info)$/;

/** The new payload of a custom section; undefined where it is left out. */
export function rewriteCustom(section: Section, job: Job): Uint8Array | undefined {
  const payload = job.m.bytes.subarray(section.payload, section.end);
  if (stale.test(section.name) || section.name === buildIdSection) return undefined;
  if (section.name === 'name') return moveFunctionNames(payload, job.plan.move, addedNames(job));
  if (section.name.startsWith('metadata.code.')) return moveCodeMetadata(payload, job);
  return payload;
}

function addedNames({ plan, places }: Job): Map<number, string> {
  const names = new Map([
    [places.bypassed, '__wgraft_bypassed'],
    [places.set, '__wgraft_set'],
    [places.fill, '__wgraft_fill'],
  ]);
  for (let k = 0; k < Math.ceil(plan.slots / 256); k += 1)
    names.set(places.firstLeaf + k, `__wgraft_set_${k}`);
  return names;
}

/**
 * Branch hints and their kin: per function, offsets from the start of its body. They move by the length of the guard.
 * Where fentry calls went away they would move by different amounts, so they are left out: hints change no behaviour.
 */
function moveCodeMetadata(payload: Uint8Array, job: Job): Uint8Array | undefined {
  if (job.plan.fentry !== undefined || !job.guards) return undefined;
  const r = new Reader(payload);
  const out = new Writer(payload.length + 64);
  const guard = new Writer(64);
  const count = r.count('functions');
  out.u32(count);
  for (let i = 0; i < count; i += 1) {
    const index = r.u32();
    const planned = job.plan.functions[index - job.m.imported.func];
    const shift = planned === undefined ? 0 : guardOf(job, planned, guard.reset()).length;
    const items = r.count('items', 2);
    out.u32(index).u32(items);
    for (let k = 0; k < items; k += 1) {
      out.u32(r.u32() + shift);
      const size = r.u32();
      out.u32(size).raw(r.take(size));
    }
  }
  return out.toBytes();
}
