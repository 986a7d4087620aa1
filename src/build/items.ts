// What a patch module is put together from. An item gets its index when everything that is needed is known; until then its
// bytes are written to learn what it refers to, and written again when they count.

import type { ImportSource, PatchImport } from '../patch/index.ts';
import type { ExternKind, TypeIndex, Writer } from '../wasm/index.ts';

export interface Item {
  /** Its place in its index space; -1 while that is open. */
  index: number;
}

export interface ImportItem extends Item {
  readonly kind: ExternKind;
  readonly source: ImportSource;
  /** What it is called; made unique when the imports are written. */
  readonly label: string;
  /** The type, as the import section wants it. */
  readonly describe: (out: Writer) => void;
}

/** Something that the patch module defines: a body, an initialised global, a segment, … */
export interface DefinedItem extends Item {
  readonly write: (out: Writer) => void;
}

export interface FunctionItem extends DefinedItem {
  readonly type: () => TypeIndex;
  readonly name: string | undefined;
  /** True for what the linker makes: thunks, the data function, what a side module needs to start. */
  readonly generated: boolean;
}

export interface ExportItem {
  readonly name: string;
  readonly item: Item;
}

/** All of a patch module, in the order of each index space. */
export interface Assembly {
  readonly imports: readonly ImportItem[];
  readonly functions: readonly FunctionItem[];
  readonly tables: readonly DefinedItem[];
  readonly memories: readonly DefinedItem[];
  readonly globals: readonly DefinedItem[];
  readonly tags: readonly DefinedItem[];
  readonly elements: readonly DefinedItem[];
  readonly data: readonly DefinedItem[];
  readonly exports: readonly ExportItem[];
  /** Functions that code takes references to: they must be declared. */
  readonly referenced: readonly Item[];
}

export type NamedImport = ImportItem & Pick<PatchImport, 'module' | 'name'>;
