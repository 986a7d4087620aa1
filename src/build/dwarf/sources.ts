// Where functions were written: what DW_TAG_subprogram says of their declaration; where it says nothing, as in builds with
// line tables only, the first line that the code of the function comes from.

import type { DebugSections, Entries, Entry } from '../../wasm/dwarf/index.ts';
import {
  attribute,
  filePath,
  type LineHeader,
  readLineHeader,
  rootOf,
  runLines,
  type Unit,
  unitAt,
} from '../../wasm/dwarf/index.ts';
import { type BodyPlaces, bodyAt } from './body-places.ts';
import type { Scan } from './scan.ts';

/** A place in the source; the file as the compiler was given it. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
}

/** How often an entry refers to another one for what it says: a clone to its origin, that to a declaration in a class. */
const mostOrigins = 4;

export class Sources {
  readonly #sections: DebugSections;
  readonly #entries: Entries;
  readonly #units: readonly Unit[];
  readonly #places: BodyPlaces;
  readonly #headers = new Map<number, LineHeader>();
  readonly #functions = new Map<number, Entry>();
  #firstLines: ReadonlyMap<number, SourcePosition> | undefined;

  constructor(
    sections: DebugSections,
    entries: Entries,
    units: readonly Unit[],
    { functions }: Pick<Scan, 'functions'>,
    places: BodyPlaces,
  ) {
    this.#sections = sections;
    this.#entries = entries;
    this.#units = units;
    this.#places = places;
    for (const { entry, address } of functions) {
      const index = bodyAt(places, address);
      if (index !== undefined && !this.#functions.has(index)) this.#functions.set(index, entry);
    }
  }

  /** Where the function of that index was written, if the debug information says so. */
  of(index: number): SourcePosition | undefined {
    const declared = this.#declared(index);
    if (declared !== undefined) return declared;
    this.#firstLines ??= this.#readFirstLines();
    return this.#firstLines.get(index);
  }

  /** Is the function described in full, so with its types? Where only its lines are known, no declaration is. */
  describes(index: number): boolean {
    return this.#declared(index) !== undefined;
  }

  #declared(index: number): SourcePosition | undefined {
    const entry = this.#functions.get(index);
    return entry === undefined ? undefined : this.#declaration(entry);
  }

  /** What a function or type is called, which its origin may have to say. */
  name(entry: Entry): string | undefined {
    return this.#inherited(entry, (e) => this.#entries.text(e, attribute.name));
  }

  file(unit: Unit, index: number): string | undefined {
    const header = this.#header(unit);
    return header === undefined ? undefined : filePath(header, index);
  }

  #declaration(entry: Entry): SourcePosition | undefined {
    return this.#inherited(entry, (e) => {
      const line = this.#entries.number(e, attribute.declLine);
      const file = this.#entries.number(e, attribute.declFile);
      const path = file === undefined ? undefined : this.file(e.unit, file);
      return path === undefined || line === undefined ? undefined : { file: path, line };
    });
  }

  #inherited<T>(entry: Entry, ask: (e: Entry) => T | undefined): T | undefined {
    let at: Entry | undefined = entry;
    for (let i = 0; i <= mostOrigins && at !== undefined; i += 1) {
      const answer = ask(at);
      if (answer !== undefined) return answer;
      at = this.#origin(at);
    }
    return undefined;
  }

  #origin(entry: Entry): Entry | undefined {
    const offset =
      this.#entries.reference(entry, attribute.abstractOrigin) ??
      this.#entries.reference(entry, attribute.specification);
    const unit = offset === undefined ? undefined : unitAt(this.#units, offset);
    return unit === undefined || offset === undefined ? undefined : this.#entries.at(unit, offset);
  }

  #header(unit: Unit): LineHeader | undefined {
    const root = rootOf(this.#entries, unit);
    const offset = root === undefined ? undefined : this.#entries.number(root, attribute.stmtList);
    if (offset === undefined) return undefined;
    const known = this.#headers.get(offset);
    if (known !== undefined) return known;
    const header = readLineHeader(this.#sections, offset, unit);
    this.#headers.set(offset, header);
    return header;
  }

  #readFirstLines(): Map<number, SourcePosition> {
    const first = new Map<number, { address: number; header: LineHeader; file: number; line: number }>();
    for (const header of new Set(this.#units.flatMap((unit) => this.#header(unit) ?? []))) {
      this.#sections.charge(this.#sections.reader('.debug_line'), header.end - header.program);
      runLines(this.#sections, header, ({ address, file, line }) => {
        const index = line === 0 ? undefined : bodyAt(this.#places, address);
        if (index === undefined) return;
        const known = first.get(index);
        if (known === undefined || address < known.address) first.set(index, { address, header, file, line });
      });
    }
    const found = new Map<number, SourcePosition>();
    for (const [index, { header, file, line }] of first) {
      const path = filePath(header, file);
      if (path !== undefined) found.set(index, { file: path, line });
    }
    return found;
  }
}
