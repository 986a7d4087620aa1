// The section map: which section stands where. Everything else in this room starts from it.
//
//   section := id:u8 size:u32 payload        custom section (id 0) := id size name payload
//              ^start         ^payload ^end                           ^start        ^payload ^end

import { WgraftError } from '../errors.ts';
import { Reader } from './reader.ts';

export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

export type SectionName = keyof typeof sectionIds;

const names = Object.fromEntries(Object.entries(sectionIds).map(([name, id]) => [id, name])) as Record<
  number,
  SectionName
>;

/** The order in which the specification wants the sections; custom ones may stand anywhere. */
export const sectionOrder: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

export interface Section {
  readonly id: number;
  /** The specification's name, or the custom section's own. */
  readonly name: string;
  /** Offset of the id byte. */
  readonly start: number;
  /** Offset of the first byte after the size (and after a custom section's name). */
  readonly payload: number;
  readonly end: number;
}

const magic = 0x6d736100;

/** Reads the section map. @throws WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_OPTION_INVALID for what are no bytes at all */
export function readSections(bytes: Uint8Array): Section[] {
  // All that reads a module or a patch begins here, also for callers without types: an ArrayBuffer, say, has no bytes to index.
  if (!ArrayBuffer.isView(bytes) || bytes instanceof DataView) {
    const reason = 'a module or a patch must be given as a Uint8Array';
    throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'bytes', reason });
  }
  const r = new Reader(bytes);
  if (bytes.length < 8) r.fail('not a WebAssembly module: shorter than its header', 0);
  const header = new DataView(bytes.buffer, bytes.byteOffset, 8);
  if (header.getUint32(0, true) !== magic)
    r.fail('not a WebAssembly module: it does not start with \\0asm', 0);
  const version = header.getUint32(4, true);
  if (version !== 1)
    r.fail(version === 0x1000d ? 'a component, not a core module' : `unknown version ${version}`, 4);
  r.at = 8;
  const sections: Section[] = [];
  let rank = -1;
  while (!r.done) {
    const section = readSection(r);
    if (section.id !== 0) {
      const next = sectionOrder.indexOf(section.id);
      if (next <= rank) r.fail(`section "${section.name}" is repeated or out of order`, section.start);
      rank = next;
    }
    sections.push(section);
  }
  return sections;
}

function readSection(r: Reader): Section {
  const start = r.at;
  const id = r.u8();
  const name = names[id];
  if (name === undefined) r.fail(`unknown section id ${id}`, start);
  const body = r.sub(r.u32(), `section "${name}"`);
  const label = id === 0 ? body.name() : name;
  return { id, name: label, start, payload: body.at, end: body.end };
}

/** The first custom section of that name, if there is one. */
export function findCustom(sections: readonly Section[], name: string): Section | undefined {
  return sections.find((s) => s.id === 0 && s.name === name);
}

/** A reader over a section's payload. */
export function sectionReader(bytes: Uint8Array, section: Section): Reader {
  return new Reader(bytes, section.payload, section.end);
}
