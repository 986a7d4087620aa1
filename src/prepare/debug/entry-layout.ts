// What entries of one abbreviation have in common: where, among their values, those stand that move with the code.

import {
  type Abbreviation,
  type Abbreviations,
  type AttributeForm,
  attribute,
  fixedSize,
  form,
  isAddressIndex,
  type Unit,
} from '../../wasm/dwarf/index.ts';

/** How the values of an entry are gone through. */
export interface Layout {
  readonly abbreviation: Abbreviation;
  readonly steps: readonly Step[];
  /** Bytes behind the last step. */
  readonly rest: number;
}

/** A value that moves, or one whose size has to be read. */
export interface Step {
  /** Bytes in front of it. */
  readonly skip: number;
  readonly attribute: AttributeForm;
  readonly moves: boolean;
}

/** Of addresses, in units that are moved. */
export const addressSize = 4;

/** In versions 2 and 3, whose offsets have the form of plain numbers: those that may be locations. */
const oldLocations: ReadonlySet<number> = new Set([0x02, 0x19, 0x2a, 0x40, 0x46, 0x48, 0x4a]);

/** The layouts of a unit's abbreviations, by code. Units share tables; what moves depends on the version, too. */
export class Layouts {
  readonly #known = new Map<Abbreviations, Layout[]>();
  readonly #knownOld = new Map<Abbreviations, Layout[]>();

  of({ abbreviations, version }: Unit): readonly (Layout | undefined)[] {
    const all = version < 4 ? this.#knownOld : this.#known;
    const known = all.get(abbreviations);
    if (known !== undefined) return known;
    const made: Layout[] = [];
    for (const [code, abbreviation] of abbreviations) made[code] = layOut(abbreviation, version);
    all.set(abbreviations, made);
    return made;
  }
}

function layOut(abbreviation: Abbreviation, version: number): Layout {
  const steps: Step[] = [];
  let skip = 0;
  for (const a of abbreviation.attributes) {
    const size = fixedSize(a.form, addressSize);
    const moves = canMove(a, version);
    if (size !== undefined && !moves) {
      skip += size;
      continue;
    }
    steps.push({ skip, attribute: a, moves });
    skip = 0;
  }
  return { abbreviation, steps, rest: skip };
}

function canMove({ name, form: f }: AttributeForm, version: number): boolean {
  if (isAddress(f) || isSize(name)) return true;
  if (f === form.secOffset || f === form.rnglistx || f === form.loclistx || f === form.indirect) return true;
  if (version >= 4 || f !== form.data4) return false;
  return name === attribute.stmtList || name === attribute.ranges || oldLocations.has(name);
}

export function isAddress(f: number): boolean {
  return f === form.addr || isAddressIndex(f);
}

/** May it be the size of a piece of code? */
export function isSize(name: number): boolean {
  return name === attribute.highPc || name === attribute.entryPc;
}
