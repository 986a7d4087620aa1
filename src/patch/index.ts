// What a prepared module and a patch file say of themselves.

export * from './consistency.ts';
export * from './global-offer.ts';
export * from './layout.ts';
export * from './livepatch-imports.ts';
export * from './manifest.ts';
export { isPatchName, isSystemState, readManifest, writeManifest } from './manifest-json.ts';
export * from './original-sections.ts';
export { type PatchFile, patchSizeLimitBytes, readPatch, writePatch } from './patch-file.ts';
export * from './program-allocator.ts';
export * from './slot-map.ts';
