// The `build_id` custom section of the WebAssembly tool conventions: a length and that many bytes.

import { findCustom, type Section, sectionReader } from './sections.ts';
import { Writer } from './writer.ts';

export const buildIdSection = 'build_id';

/** The module's build id, if it carries one. @throws WGRAFT_ERR_WASM_MALFORMED */
export function readBuildId(bytes: Uint8Array, sections: readonly Section[]): Uint8Array | undefined {
  const section = findCustom(sections, buildIdSection);
  if (section === undefined) return undefined;
  const r = sectionReader(bytes, section);
  return r.take(r.u32(), 'build id').slice();
}

/** The payload of a `build_id` section. */
export function writeBuildId(id: Uint8Array): Uint8Array {
  return new Writer(id.length + 5).block(id).toBytes();
}
