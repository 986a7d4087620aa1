// The debug information of one build, read when it is asked for.

import {
  attribute,
  DebugSections,
  Entries,
  type Entry,
  readUnits,
  rootOf,
  tag,
  type Unit,
} from '../../wasm/dwarf/index.ts';
import type { FuncIndex, WasmModule } from '../../wasm/index.ts';
import { bodyPlaces } from './body-places.ts';
import { Layouts, type StructLayout } from './layouts.ts';
import { type FoundStruct, type Scan, scanUnits } from './scan.ts';
import { type SourcePosition, Sources } from './sources.ts';
import { Types } from './types.ts';

/** Longer than any name in a source. */
const longestName = 0x10000;

export class DebugInfo {
  readonly #entries: Entries;
  readonly #scan: Scan;
  readonly #layouts: Layouts;
  readonly #sources: Sources;
  readonly #unitNames = new Map<Unit, string>();
  #structs: readonly StructLayout[] | undefined;

  /** Undefined where the module has none. @throws WGRAFT_ERR_WASM_MALFORMED, as everything else here does */
  static read(module: WasmModule): DebugInfo | undefined {
    const sections = new DebugSections(module);
    if (!sections.has('.debug_info') || !sections.has('.debug_abbrev')) return undefined;
    return new DebugInfo(sections);
  }

  private constructor(sections: DebugSections) {
    const { module } = sections;
    const units = readUnits(sections);
    this.#entries = new Entries(sections);
    this.#scan = scanUnits(this.#entries, units);
    const types = new Types(this.#entries, units);
    this.#layouts = new Layouts(this.#entries, types);
    this.#sources = new Sources(sections, this.#entries, units, this.#scan, bodyPlaces(module));
  }

  /** Where the function was written. */
  sourceOf(index: FuncIndex): SourcePosition | undefined {
    return this.#sources.of(index);
  }

  /** Are the function and its types described, more than by its lines? */
  describes(index: FuncIndex): boolean {
    return this.#sources.describes(index);
  }

  /** The layouts of all structs that have a name, or that a typedef gives one; the same one once for each unit. */
  structLayouts(): readonly StructLayout[] {
    this.#structs ??= this.#scan.structs.flatMap((found) => this.#layout(found) ?? []);
    return this.#structs;
  }

  #layout({ entry, scope }: FoundStruct): StructLayout | undefined {
    const name = this.#nameOf(entry);
    if (name === undefined) return undefined;
    let outer = '';
    for (const e of scope) {
      outer += this.#scopeName(e);
      if (outer.length > longestName) this.#entries.fail(entry, 'a name is too long');
    }
    this.#entries.charge(entry, outer.length);
    const file = this.#entries.number(entry, attribute.declFile);
    return {
      kind: kindOf(entry),
      name: outer + name,
      unit: this.#unitName(entry.unit),
      file: file === undefined ? undefined : this.#sources.file(entry.unit, file),
      size: this.#entries.number(entry, attribute.byteSize),
      members: this.#layouts.members(entry),
    };
  }

  #nameOf(entry: Entry): string | undefined {
    const own = this.#entries.text(entry, attribute.name);
    const typedef = own === undefined ? this.#scan.typedefs.get(entry.offset) : undefined;
    return typedef === undefined ? own : this.#entries.text(typedef, attribute.name);
  }

  #scopeName(entry: Entry): string {
    if (entry.abbreviation.tag === tag.subprogram) return `${this.#sources.name(entry) ?? '?'}()::`;
    return `${this.#nameOf(entry) ?? '(anonymous)'}::`;
  }

  #unitName(unit: Unit): string {
    const known = this.#unitNames.get(unit);
    if (known !== undefined) return known;
    const root = rootOf(this.#entries, unit);
    const name = root === undefined ? '' : (this.#entries.text(root, attribute.name) ?? '');
    const folder = root === undefined ? undefined : this.#entries.text(root, attribute.compDir);
    const path = folder !== undefined && name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : name;
    this.#unitNames.set(unit, path);
    return path;
  }
}

function kindOf({ abbreviation }: Entry): StructLayout['kind'] {
  if (abbreviation.tag === tag.unionType) return 'union';
  return abbreviation.tag === tag.classType ? 'class' : 'struct';
}
