// How DWARF (versions 2 to 5, 32-bit format) is encoded: sections, units, entries, forms, line programs. What it says of a
// build is src/build/dwarf; how it stays right behind guards is src/prepare/debug. Not part of the room's index, because a
// program that only runs patches needs none of it.

export * from './abbreviations.ts';
export * from './constants.ts';
export * from './entries.ts';
export * from './forms.ts';
export * from './line-header.ts';
export * from './line-program.ts';
export * from './sections.ts';
export * from './units.ts';
