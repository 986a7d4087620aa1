// What `wgraft.original` says: by which steps the kernel's custom sections are found again in those of the prepared module.
// Not of debug information, source maps inside the module and relocations, where the steps would be as long as the sections.

import { originalSection, type Step, writeOriginalSections } from '../patch/index.ts';
import { buildIdSection, type Section, sectionIds, type WasmModule } from '../wasm/index.ts';
import { isDebugSection } from './debug/index.ts';
import { isMapInside, sourceMapSection } from './source-map.ts';

export interface CustomSection {
  readonly name: string;
  readonly payload: Uint8Array;
}

/** The section that says it; `prepared` are all others, but for the build id and what has a name of wgraft's own. */
export function describeOriginals(m: WasmModule, prepared: readonly CustomSection[]): CustomSection {
  const own = customSections(m.bytes, m.sections);
  const changed = new Map<string, Step[][]>();
  for (const name of new Set([...own, ...prepared, { name: buildIdSection }].map((s) => s.name))) {
    const [before, after] = [payloads(own, name), payloads(prepared, name)];
    if (isMovedOnly(name, before)) continue;
    if (isLater(name)) changed.set(name, before.map(fromNothing));
    else if (after.length !== before.length || !after.every(isEqualTo(before)))
      changed.set(
        name,
        before.map((section, i) => stepsBack(after[i] ?? nothing, section)),
      );
  }
  return { name: originalSection, payload: writeOriginalSections(changed) };
}

/** The custom sections of a module, in their order. */
export function customSections(bytes: Uint8Array, sections: readonly Section[]): CustomSection[] {
  return sections
    .filter((s) => s.id === sectionIds.custom)
    .map((s) => ({ name: s.name, payload: bytes.subarray(s.payload, s.end) }));
}

function payloads(sections: readonly CustomSection[], name: string): Uint8Array[] {
  return sections.filter((s) => s.name === name).map((s) => s.payload);
}

function isMovedOnly(name: string, [payload]: readonly Uint8Array[]): boolean {
  if (name === sourceMapSection) return payload === undefined || isMapInside(payload);
  return isDebugSection(name) || name === 'linking' || name.startsWith('reloc.');
}

/** Written when all others are: nothing can be found again in them. */
function isLater(name: string): boolean {
  return name === buildIdSection || name === sourceMapSection;
}

function isEqualTo(others: readonly Uint8Array[]): (section: Uint8Array, i: number) => boolean {
  return (section, i) => Buffer.compare(section, others[i] ?? nothing) === 0;
}

const nothing = new Uint8Array();

function fromNothing(to: Uint8Array): Step[] {
  return stepsBack(nothing, to);
}

/** How many bytes make it sure that two places go on together, and how far apart such places may be. */
const sure = 4;
const reach = 64;

/**
 * From one to the other. Sections that grew at their end, or in the middle, and in which single numbers changed, have short ones:
 * what they end with is looked for first, then the two are read side by side.
 */
export function stepsBack(from: Uint8Array, to: Uint8Array): Step[] {
  const tail = commonEnd(from, to);
  const [fromEnd, toEnd] = [from.length - tail, to.length - tail];
  const steps: Step[] = [];
  let [i, j, skip] = [0, 0, 0];
  while (j < toEnd) {
    const start = i;
    while (i < fromEnd && j < toEnd && from[i] === to[j]) {
      i += 1;
      j += 1;
    }
    const [passed, put] = nextCommon(from.subarray(i, fromEnd), to.subarray(j, toEnd));
    steps.push({ skip, keep: i - start, block: to.subarray(j, j + put) });
    i += passed;
    j += put;
    skip = passed;
  }
  if (tail > 0) steps.push({ skip: skip + fromEnd - i, keep: tail, block: nothing });
  return steps;
}

function commonEnd(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let size = 0;
  while (size < most && a[a.length - 1 - size] === b[b.length - 1 - size]) size += 1;
  return size;
}

/** Where two that differ go on together; where that is not near, all of `to` is what there is to put. */
function nextCommon(from: Uint8Array, to: Uint8Array): [passed: number, put: number] {
  for (let apart = 1; apart <= reach; apart += 1)
    for (let put = 0; put <= Math.min(apart, to.length); put += 1)
      if (goTogether(from, apart - put, to, put)) return [apart - put, put];
  return [0, to.length];
}

function goTogether(a: Uint8Array, i: number, b: Uint8Array, j: number): boolean {
  for (let k = 0; k < sure; k += 1) {
    if (j + k === b.length) return k > 0;
    if (a[i + k] !== b[j + k]) return false;
  }
  return true;
}
