// The binary format. Knows no other room.

export * from './build-id.ts';
export * from './indices.ts';
export * from './instructions.ts';
export * from './module.ts';
export * from './names.ts';
export * from './reader.ts';
export * from './sections.ts';
export * from './types.ts';
export * from './writer.ts';
