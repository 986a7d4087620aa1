// Replacement functions in, a patch out.

export type { AllocatorChoice } from './allocator.ts';
export type { BuiltPatch } from './assemble.ts';
export { type BuildOptions, buildPatch, type ReplacementSource } from './build-patch.ts';
export { type CProgram, compileProgram } from './c-program.ts';
export type { Source } from './compile.ts';
export {
  type BuildDiff,
  type ChangedData,
  type ChangedFunction,
  type DiffOptions,
  diffBuilds,
  isUnchanged,
  type Refusal,
} from './diff.ts';
export type { SourcePosition } from './dwarf/index.ts';
export { buildPatchFromBuilds, type FromBuildsOptions } from './from-builds/build-from-builds.ts';
export type { BuildReport, ReportedFunction } from './report.ts';
export type { PatchRules } from './rules.ts';
export { wgraftHeader } from './wgraft-header.ts';
