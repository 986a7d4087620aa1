// The debug sections of a module, and what keeps reading them within bounds: positions are offsets in the file, checked
// against their section, and everything that is not one pass over the bytes is paid for from a budget, so that hostile
// references cannot make the reader go over the same bytes for ever.

import { findCustom, Reader, type Section, type WasmModule } from '../index.ts';

export type DebugSectionName =
  | '.debug_abbrev'
  | '.debug_addr'
  | '.debug_aranges'
  | '.debug_info'
  | '.debug_line'
  | '.debug_line_str'
  | '.debug_loc'
  | '.debug_loclists'
  | '.debug_ranges'
  | '.debug_rnglists'
  | '.debug_str'
  | '.debug_str_offsets';

/** How often, on average, each byte may be looked at again. Compilers' own output takes less than 2. */
const passes = 16;
/** C++ has long names, but not such. */
const longestText = 0x10000;

const utf8 = new TextDecoder();

export class DebugSections {
  readonly module: WasmModule;
  readonly #view: DataView;
  readonly #sections = new Map<DebugSectionName, Section>();
  readonly #texts = new Map<number, string>();
  #budget: number;

  constructor(module: WasmModule) {
    const { bytes, sections } = module;
    this.module = module;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sizes = sections.filter((s) => s.name.startsWith('.debug_')).map((s) => s.end - s.payload);
    this.#budget = longestText + passes * sizes.reduce((sum, size) => sum + size, 0);
  }

  has(name: DebugSectionName): boolean {
    return this.#find(name) !== undefined;
  }

  /** A reader of a section from that offset in it. @throws WGRAFT_ERR_WASM_MALFORMED where it is not there */
  reader(name: DebugSectionName, offset = 0): Reader {
    const { bytes } = this.module;
    const section = this.#find(name);
    if (section === undefined) return new Reader(bytes, 0, 0).fail(`there is no section "${name}"`);
    const r = new Reader(bytes, section.payload, section.end);
    r.skip(offset);
    return r;
  }

  #find(name: DebugSectionName): Section | undefined {
    const known = this.#sections.get(name);
    if (known !== undefined) return known;
    const found = findCustom(this.module.sections, name);
    if (found !== undefined) this.#sections.set(name, found);
    return found;
  }

  /** To be called before `size` bytes are looked at out of turn. */
  charge(r: Reader, size: number): void {
    this.#budget -= size;
    if (this.#budget < 0) r.fail('debug information refers to the same bytes over and over');
  }

  /** A little-endian unsigned integer of 1, 2, 3 or 4 bytes. */
  fixed(r: Reader, size: number): number {
    if (size > r.left) r.fail('unexpected end of debug information');
    const at = r.at;
    r.at += size;
    if (size === 4) return this.#view.getUint32(at, true);
    if (size === 1) return this.#view.getUint8(at);
    const low = this.#view.getUint16(at, true);
    return size === 2 ? low : low + this.#view.getUint8(at + 2) * 0x10000;
  }

  /** One of 8 bytes; loses precision above 2^53, where neither sizes nor addresses of Wasm are. */
  fixed64(r: Reader): number {
    const low = this.fixed(r, 4);
    return low + this.fixed(r, 4) * 0x100000000;
  }

  /** The text at the reader's place, up to its NUL, which is passed over. */
  text(r: Reader): string {
    const known = this.#texts.get(r.at);
    if (known !== undefined) {
      this.skipText(r);
      return known;
    }
    const start = r.at;
    this.skipText(r);
    const text = utf8.decode(r.bytes.subarray(start, r.at - 1));
    this.#texts.set(start, text);
    return text;
  }

  skipText(r: Reader): void {
    const length = r.bytes.subarray(r.at, Math.min(r.end, r.at + longestText)).indexOf(0);
    if (length < 0) r.fail('a text in the debug information has no end');
    this.charge(r, length + 1);
    r.at += length + 1;
  }
}
