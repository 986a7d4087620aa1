// The binary format. Knows no other room.

export * from './binaryen-features.ts';
export * from './build-id.ts';
export * from './dylink.ts';
export * from './engine.ts';
export * from './indices.ts';
export * from './instructions.ts';
export * from './linking.ts';
export * from './mnemonics.ts';
export * from './module.ts';
export * from './names.ts';
export * from './producers.ts';
export * from './reader.ts';
export * from './relocation-check.ts';
export * from './relocations.ts';
export * from './renumber.ts';
export * from './scan.ts';
export * from './sections.ts';
export * from './stand-in.ts';
export * from './symbols.ts';
export * from './table-contents.ts';
export * from './target-features.ts';
export * from './try-blocks.ts';
export * from './type-table.ts';
export * from './types.ts';
export * from './writer.ts';
