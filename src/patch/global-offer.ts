// How patches come by a program's globals. A mutable one they share, so the prepared module exports it. An immutable one is as good
// as its value: of a number they have a copy, and of a reference the prepared module says it when asked (`preparedExports.value`),
// since programs with garbage collection have thousands, and each export costs every instance an object.

import { type GlobalType, hierarchyOf, type TypeEntry } from '../wasm/index.ts';

export type GlobalOffer = 'export' | 'value' | 'copy';

export function globalOffer({ type, mutable }: GlobalType, types: readonly TypeEntry[]): GlobalOffer {
  const hierarchy = hierarchyOf(type, types);
  if (!mutable && hierarchy === undefined) return 'copy';
  // JavaScript can hold the values of these.
  return !mutable && (hierarchy === 'any' || hierarchy === 'extern') ? 'value' : 'export';
}
