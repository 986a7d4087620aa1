// What a compiler's debug information (DWARF 2 to 5, 32-bit format) says of a build: where functions were written, and how
// structs lie in memory.

export { compareLayouts, type LayoutChange, type LayoutComparison } from './compare-layouts.ts';
export { DebugInfo } from './debug-info.ts';
export type { Member, StructLayout } from './layouts.ts';
export { type KnownSources, readDebugInfo } from './optional-debug-info.ts';
export type { SourcePosition } from './sources.ts';
