// What a prepared module and a patch file say of themselves.

export * from './layout.ts';
export * from './manifest.ts';
export * from './slot-map.ts';
