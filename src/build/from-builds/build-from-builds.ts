// Two builds in, a patch out: compare them, select what must change, make a unit of it, and link that like any other.

import { createHash } from 'node:crypto';
import { WgraftError } from '../../errors.ts';
import type { PatchMetadata } from '../../patch/index.ts';
import { type PrepareOptions, prepare } from '../../prepare/index.ts';
import type { AllocatorChoice } from '../allocator.ts';
import { assemble, type BuiltPatch } from '../assemble.ts';
import { readBuild } from '../compare/build.ts';
import { type Comparison, compareBuilds } from '../compare/compare.ts';
import { unknownData } from '../program-data.ts';
import type { ReplacedFunction } from '../replaced.ts';
import { readTarget, showTargetFunction, type Target } from '../target.ts';
import { readUnit } from '../unit.ts';
import { type Selection, select } from './selection.ts';
import { replacementName, synthesise } from './synthesis.ts';

export interface FromBuildsOptions {
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
  /** Variables whose changed initial value may be ignored: the running program keeps what it has. 'all' for all of them. */
  readonly keepData?: 'all' | readonly string[];
}

/**
 * Builds a patch that makes a program of the old build behave like the new one. The same input gives the same bytes.
 * @throws WGRAFT_ERR_NOTHING_CHANGED, WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_SYMBOL_AMBIGUOUS, WGRAFT_ERR_DATA_CHANGED,
 *   WGRAFT_ERR_START_CODE_CHANGED, WGRAFT_ERR_SIGNATURE_CHANGED, WGRAFT_ERR_NOT_REACHABLE, and what `prepare` and `buildPatch` throw
 */
export async function buildPatchFromBuilds(options: FromBuildsOptions): Promise<BuiltPatch> {
  const began = performance.now();
  const target = readTarget(options.target ?? (await prepare(options.old, options.prepare)).bytes);
  refuseOther(target, options.old);
  const comparison = compareBuilds(
    readBuild('the old build', options.old),
    readBuild('the new build', options.new),
  );
  refuseData(comparison, options.keepData ?? []);
  const selection = select(comparison, target);
  if (selection.replaced.size === 0)
    throw new WgraftError('WGRAFT_ERR_NOTHING_CHANGED', { lines: comparison.lines.length });
  const synthesis = synthesise(comparison, selection, target);
  const replaced = [...selection.replaced.values()].map((index) => replacedFunction(target, index));
  const unit = readUnit('the new build', 'build', synthesis.bytes);
  return assemble({
    ...options,
    target,
    replaced,
    units: [{ unit, replaced }],
    data: unknownData,
    allowImports: options.allowImports ?? [],
    began,
    notes: notes(comparison, selection, synthesis.addresses.newVariables),
  });
}

function refuseOther(target: Target, old: Uint8Array): void {
  const found = createHash('sha256').update(old).digest('hex');
  if (found === target.map.original) return;
  const reason = `the target was prepared from ${target.map.original.slice(0, 12)}, the old build is ${found.slice(0, 12)}`;
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', { reason });
}

function refuseData({ data }: Comparison, keep: 'all' | readonly string[]): void {
  for (const change of data) {
    const kept = keep === 'all' || keep.includes(change.new.name);
    if (kept && change.how === 'value') continue;
    throw new WgraftError('WGRAFT_ERR_DATA_CHANGED', {
      symbol: change.new.name,
      how: change.how,
      old: change.old.size,
      new: change.new.size,
    });
  }
}

function replacedFunction(target: Target, index: number): ReplacedFunction {
  const entry = target.functions.get(index);
  if (entry?.slot === undefined)
    throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `function ${index} has no slot` });
  const name = showTargetFunction(target, index);
  return { index, slot: entry.slot, entry, name, labels: [replacementName(index)], file: 'the new build' };
}

function notes(comparison: Comparison, selection: Selection, variables: readonly string[]): string[] {
  const nameOf = (index: number): string => comparison.new.functions[index]?.names[0] ?? `#${index}`;
  const found = [...selection.expanded].map(
    ([f, callee]) => `"${nameOf(f)}" comes along because it calls "${nameOf(callee)}", which has no slot`,
  );
  if (comparison.lines.length > 0)
    found.push(
      `${comparison.lines.length} functions differ only in line numbers of assertions and stay as they are`,
    );
  if (variables.length > 0)
    found.push(
      `new variables start with the new build's values, whatever the program has done so far: ${variables.join(', ')}`,
    );
  return found;
}
