// One pass over `.debug_info`: where the structs stand, where the functions, and what typedefs call structs without a name.

import type { Entries, Entry, Unit } from '../../wasm/dwarf/index.ts';
import { attribute, tag } from '../../wasm/dwarf/index.ts';

export interface FoundStruct {
  readonly entry: Entry;
  /** What it stands in: namespaces, structs, functions. */
  readonly scope: readonly Entry[];
}

export interface FoundFunction {
  readonly entry: Entry;
  /** Offset of its code in the code section. */
  readonly address: number;
}

export interface Scan {
  readonly structs: readonly FoundStruct[];
  readonly functions: readonly FoundFunction[];
  /** Offset of a type's entry -> the first typedef of it. */
  readonly typedefs: ReadonlyMap<number, Entry>;
}

export function isStruct({ abbreviation }: Entry): boolean {
  const t = abbreviation.tag;
  return t === tag.structureType || t === tag.unionType || t === tag.classType;
}

export function scanUnits(entries: Entries, units: readonly Unit[]): Scan {
  const structs: FoundStruct[] = [];
  const functions: FoundFunction[] = [];
  const typedefs = new Map<number, Entry>();
  const visit = (entry: Entry, parents: readonly Entry[]): void => {
    const t = entry.abbreviation.tag;
    if (t === tag.typedef) {
      const type = entries.reference(entry, attribute.type);
      if (type !== undefined && !typedefs.has(type)) typedefs.set(type, entry);
    } else if (t === tag.subprogram) {
      const address = entries.address(entry, attribute.lowPc);
      if (address !== undefined) functions.push({ entry, address });
    } else if (isStruct(entry) && !entries.flag(entry, attribute.declaration)) {
      structs.push({ entry, scope: parents.filter(namesScope) });
    }
  };
  for (const unit of units) entries.walk(unit, visit);
  return { structs, functions, typedefs };
}

function namesScope(entry: Entry): boolean {
  const t = entry.abbreviation.tag;
  return t === tag.namespace || t === tag.subprogram || isStruct(entry);
}
