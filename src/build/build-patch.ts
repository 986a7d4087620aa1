// Replacement functions in, a patch out: read the target, compile the sources, link what is needed, write the patch file.

import { WgraftError } from '../errors.ts';
import { hasGuard, type PatchMetadata } from '../patch/index.ts';
import type { AllocatorChoice } from './allocator.ts';
import { assemble, type BuiltPatch, checkName } from './assemble.ts';
import { bringCallers, type Callers } from './callers.ts';
import { compileSources, type Source } from './compile.ts';
import { readProgramData, unknownData } from './program-data.ts';
import { chooseReplacements, type ReplacedFunction } from './replaced.ts';
import { noteCallers } from './report.ts';
import { checkRules, type PatchRules } from './rules.ts';
import { readTarget, showTargetFunction, type Target } from './target.ts';

export interface ReplacementSource {
  /** NAME, NAME,N (the N-th of several, from 1) or #INDEX in the prepared module. */
  readonly function: string;
  readonly source: Source;
}

export interface BuildOptions extends PatchRules {
  /** The prepared module. */
  readonly target: Uint8Array;
  readonly replacements: readonly ReplacementSource[];
  /** What `status` calls the patch; at most 64 of A-Z a-z 0-9 . _ - */
  readonly name: string;
  readonly metadata?: PatchMetadata;
  /** Where memory for the patch's data comes from: `grow`, `malloc=NAME` or `malloc=#INDEX`. Default: what is safe. */
  readonly allocator?: AllocatorChoice;
  /** Host imports that the program does not have and the patch may: MODULE.NAME. */
  readonly allowImports?: readonly string[];
  /** The original build, linked with --emit-relocs: its symbol table has the addresses of the program's data. */
  readonly symbols?: Uint8Array;
  /** Headers for C sources, by path. */
  readonly headers?: Readonly<Record<string, string>>;
  /** More options for the C compiler, e.g. -DNDEBUG. */
  readonly compilerFlags?: readonly string[];
  /** A source with callbacks only; those of the replacements' sources count too. */
  readonly callbacks?: Source;
}

/**
 * Builds a patch that replaces functions of a prepared module. The same input gives the same bytes.
 * @throws WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_FUNCTION_UNKNOWN, WGRAFT_ERR_FUNCTION_AMBIGUOUS, WGRAFT_ERR_SLOT_MISSING,
 *   WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_SOURCE_UNSUPPORTED, WGRAFT_ERR_REPLACEMENT_MISSING, WGRAFT_ERR_SIGNATURE_CHANGED,
 *   WGRAFT_ERR_IMPORT_UNRESOLVED, WGRAFT_ERR_IMPORT_TYPE, WGRAFT_ERR_IMPORT_NOT_ALLOWED, WGRAFT_ERR_COMPILER_MISSING,
 *   WGRAFT_ERR_SYMBOLS_MISSING, WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_NO_ALLOCATOR, WGRAFT_ERR_OPTION_INVALID
 */
export async function buildPatch(options: BuildOptions): Promise<BuiltPatch> {
  const began = performance.now();
  checkOptions(options);
  const { allowImports = [], symbols } = options;
  const target = readTarget(options.target);
  const replaced = chooseReplacements(target, options.replacements);
  const data = symbols === undefined ? unknownData : readProgramData(symbols, target);
  const units = await compileSources(target, replaced, options);
  const callers = callersOf(target, replaced);
  return assemble({
    ...options,
    target,
    replaced: [...replaced, ...(callers?.replaced ?? [])],
    units: callers === undefined ? units : [...units, callers],
    data,
    allowImports,
    began,
    rules: options,
    notes: callers === undefined ? [] : noteCallers(callers.because, (f) => showTargetFunction(target, f)),
  });
}

/** Undefined where all replaced functions have guards. */
function callersOf(target: Target, replaced: readonly ReplacedFunction[]): Callers | undefined {
  const unguarded = replaced.filter(({ entry }) => !hasGuard(entry)).map((f) => f.index);
  if (unguarded.length === 0) return undefined;
  return bringCallers(target, new Set(unguarded), new Set(replaced.map((f) => f.index)));
}

function checkOptions(options: BuildOptions): void {
  checkName(options.name);
  checkRules(options);
  if (options.replacements.length > 0) return;
  const reason = 'a patch replaces at least one function';
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'replacements', reason });
}
