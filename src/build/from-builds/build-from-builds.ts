// Two builds in, a patch out: compare them, select what must change, make a unit of it, and link that like any other.

import { createHash } from 'node:crypto';
import { WgraftError } from '../../errors.ts';
import type { PatchMetadata } from '../../patch/index.ts';
import { type PrepareOptions, prepare } from '../../prepare/index.ts';
import { checkRelocations, readModule } from '../../wasm/index.ts';
import type { AllocatorChoice } from '../allocator.ts';
import { assemble, type BuiltPatch, checkName } from '../assemble.ts';
import { readBuild } from '../compare/build.ts';
import { type Comparison, compareBuilds } from '../compare/compare.ts';
import { compareCode } from '../compare/compare-code.ts';
import { compileSources, type Source } from '../compile.ts';
import { readProgramData, unknownData } from '../program-data.ts';
import type { ReplacedFunction } from '../replaced.ts';
import { noteCallers } from '../report.ts';
import { checkRules, type PatchRules } from '../rules.ts';
import { readTarget, showTargetFunction, type Target } from '../target.ts';
import { readUnit } from '../unit.ts';
import { newExports } from './entries.ts';
import { type BuildsDebug, layoutFindings, readDebug } from './layout-changes.ts';
import { constantRefusals } from './replaced-constants.ts';
import { type Selection, select } from './selection.ts';
import { replacementName, synthesise } from './synthesis.ts';

export interface FromBuildsOptions extends PatchRules {
  /** The build that runs, as it was before it was prepared. Linked with --emit-relocs, as is `new`. */
  readonly old: Uint8Array;
  readonly new: Uint8Array;
  /** What was prepared from `old`, if that was not done with `prepare`'s options below. */
  readonly target?: Uint8Array;
  readonly prepare?: PrepareOptions;
  /** What `status` calls the patch. */
  readonly name: string;
  readonly metadata?: PatchMetadata;
  readonly allocator?: AllocatorChoice;
  readonly allowImports?: readonly string[];
  /**
   * Variables whose changed initial value may be ignored: the running program keeps what it has, or a callback sets it.
   * 'all' for all of them.
   */
  readonly keepData?: 'all' | readonly string[];
  /** Structs whose changed layout may be ignored: no object of theirs is alive when the patch is applied. 'all' for all of them. */
  readonly allowLayouts?: 'all' | readonly string[];
  /** New variables that may take the place of a constant: nothing that is alive was made with it. 'all' for all of them. */
  readonly allowNewState?: 'all' | readonly string[];
  /** A source with callbacks besides those that the new build defines: what prepares data may be set there. */
  readonly callbacks?: Source;
  /** For a C source with callbacks: headers by path, and more options for the compiler. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly compilerFlags?: readonly string[];
}

/**
 * Builds a patch that makes a program of the old build behave like the new one. The same input gives the same bytes.
 * @throws WGRAFT_ERR_OPTION_INVALID, WGRAFT_ERR_NOTHING_CHANGED, WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_SYMBOL_AMBIGUOUS, WGRAFT_ERR_DATA_CHANGED,
 *   WGRAFT_ERR_LAYOUT_CHANGED, WGRAFT_ERR_LAYOUT_SUSPECTED, WGRAFT_ERR_CONSTANT_REPLACED,
 *   WGRAFT_ERR_START_CODE_CHANGED, WGRAFT_ERR_EXPORT_CHANGED, WGRAFT_ERR_SIGNATURE_CHANGED, WGRAFT_ERR_NOT_REACHABLE, and
 *   what `prepare` and `buildPatch` throw
 */
export async function buildPatchFromBuilds(options: FromBuildsOptions): Promise<BuiltPatch> {
  const began = performance.now();
  checkName(options.name);
  checkRules(options);
  const target = readTarget(options.target ?? (await prepare(options.old, options.prepare)).bytes);
  refuseOther(target, options.old);
  const comparison = compareModules(options.old, options.new);
  const debug = readDebug(comparison);
  const layouts = layoutFindings(comparison, debug, options.allowLayouts ?? []);
  // A struct that grew is also why a variable of that type has another size, so it comes first.
  const [refused] = [
    ...layouts.refusals,
    ...dataRefusals(comparison, options.keepData ?? []),
    ...constantRefusals(comparison, options.allowNewState ?? []),
  ];
  if (refused !== undefined) throw refused;
  const selection = select(comparison, target);
  if (selection.replaced.size === 0) refuseNothing(comparison);
  const synthesis = synthesise(comparison, selection, target);
  const replaced = [...selection.replaced].map(([from, index]) =>
    replacedFunction(target, index, debug, from, selection.expanded.has(from)),
  );
  const unit = readUnit('the new build', 'build', synthesis.bytes);
  const byHand = await compileSources(target, [], options);
  // The new build knows addresses itself; what is written by hand asks for them by name.
  const symbols = byHand.length > 0 && hasRelocations(options.old);
  return assemble({
    ...options,
    target,
    replaced,
    units: [{ unit, replaced }, ...byHand],
    data: symbols ? readProgramData(options.old, target) : unknownData,
    rules: options,
    allowImports: options.allowImports ?? [],
    began,
    notes: [...notes(comparison, selection, synthesis.addresses.newVariables), ...layouts.notes],
  });
}

/** @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_ADDRESS_UNKNOWN, WGRAFT_ERR_WASM_MALFORMED */
export function compareModules(old: Uint8Array, next: Uint8Array): Comparison {
  if (!hasRelocations(old) && !hasRelocations(next)) return compareCode(old, next);
  return compareBuilds(readBuild('the old build', old), readBuild('the new build', next));
}

function hasRelocations(bytes: Uint8Array): boolean {
  return checkRelocations(readModule(bytes)).kind !== 'none';
}

/** @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE if the target was not prepared from this build */
export function refuseOther(target: Target, old: Uint8Array): void {
  const found = createHash('sha256').update(old).digest('hex');
  if (found === target.map.original) return;
  const reason = `the target was prepared from ${target.map.original.slice(0, 12)}, the old build is ${found.slice(0, 12)}`;
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', { reason });
}

function refuseNothing(comparison: Comparison): never {
  const exports = newExports(comparison);
  throw new WgraftError('WGRAFT_ERR_NOTHING_CHANGED', {
    lines: comparison.lines.length,
    ...(exports.length === 0 ? {} : { exports }),
  });
}

/** Why the changes of data stand in the way, one error each. */
export function dataRefusals(
  { data }: Comparison,
  keep: 'all' | readonly string[],
): WgraftError<'WGRAFT_ERR_DATA_CHANGED'>[] {
  return data
    .filter(({ new: d, how }) => {
      const kept = keep === 'all' || d.names.some((name) => keep.includes(name));
      return !(kept && how === 'value');
    })
    .map(({ old, new: d, how }) => {
      return new WgraftError('WGRAFT_ERR_DATA_CHANGED', {
        symbol: d.name,
        how,
        old: old.size,
        new: d.size,
      });
    });
}

function replacedFunction(
  target: Target,
  index: number,
  debug: BuildsDebug,
  from: number,
  unchanged: boolean,
): ReplacedFunction {
  const entry = target.functions.get(index);
  if (entry?.slot === undefined)
    throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `function ${index} has no slot` });
  const name = showTargetFunction(target, index);
  const position = debug.new.sourceOf(from);
  const labels = [replacementName(index)];
  const known = {
    ...(position === undefined ? {} : { position }),
    ...(unchanged ? ({ unchanged } as const) : {}),
  };
  return { index, slot: entry.slot, entry, name, labels, file: 'the new build', ...known };
}

function notes(comparison: Comparison, selection: Selection, variables: readonly string[]): string[] {
  const nameOf = (index: number): string => comparison.new.functions[index]?.names[0] ?? `#${index}`;
  const found = noteCallers(selection.expanded, nameOf);
  if (comparison.lines.length > 0)
    found.push(
      `left as they are because only line numbers of assertions differ: ${comparison.lines.map(({ index }) => nameOf(index)).join(', ')}`,
    );
  if (variables.length > 0)
    found.push(
      `new variables start with the new build's values, whatever the program has done so far: ${variables.join(', ')}`,
    );
  const exports = newExports(comparison);
  if (exports.length > 0)
    found.push(`exports that a running instance cannot gain are left out: ${exports.join(', ')}`);
  return found;
}
