// What an import of replacement code becomes in the patch: an import that the manifest explains, a copied function, or a global
// of the patch's own whose value is known or computed from one.

import type { ImportSource } from '../patch/index.ts';
import type { FuncIndex, GlobalIndex, Import } from '../wasm/index.ts';

export type Binding =
  /** An import of the patch; `label` is the name it gets there. */
  | { readonly kind: 'import'; readonly source: ImportSource; readonly label: string }
  /** The program's own body of a replaced function: a copy. */
  | { readonly kind: 'original'; readonly index: FuncIndex }
  /** A global with a constant that is copied from the program's immutable one. */
  | { readonly kind: 'program-constant'; readonly index: GlobalIndex }
  /** A global with the address of program data. */
  | { readonly kind: 'address'; readonly address: number }
  /** A global with the start of this unit's data in the program's memory, or of its functions in the program's table. */
  | { readonly kind: 'memory-base' | 'table-base' }
  /** A global with the address of the unit's own data. */
  | { readonly kind: 'own-address'; readonly offset: number }
  /** A global with the place of the unit's own function in the program's table. */
  | { readonly kind: 'own-function-address'; readonly index: FuncIndex };

export type BoundImport = Import & { readonly binding: Binding };

/** `"target" "add_item"`, as WAT writes it. */
export function showImport(i: { readonly module: string; readonly name: string }): string {
  return `${JSON.stringify(i.module)} ${JSON.stringify(i.name)}`;
}
