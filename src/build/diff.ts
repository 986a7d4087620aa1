// What a patch between two builds would have to do, function by function, and what stands in its way. Plain data; nothing
// is built.

import { WgraftError } from '../errors.ts';
import type { SlotMapFunction } from '../patch/index.ts';
import { type PrepareOptions, prepare } from '../prepare/index.ts';
import { type FuncIndex, funcType, showFuncType } from '../wasm/index.ts';
import type { Build, BuildFunction } from './compare/build.ts';
import type { Comparison, FunctionChange } from './compare/compare.ts';
import { type Difference, showDifference } from './compare/difference.ts';
import type { SourcePosition } from './dwarf/index.ts';
import {
  compareModules,
  dataRefusals,
  type FromBuildsOptions,
  refuseOther,
} from './from-builds/build-from-builds.ts';
import { type BuildsDebug, layoutFindings, readDebug } from './from-builds/layout-changes.ts';
import { constantRefusals } from './from-builds/replaced-constants.ts';
import { preparedFunctions, type Selection, select } from './from-builds/selection.ts';
import { synthesise } from './from-builds/synthesis.ts';
import { readTarget } from './target.ts';

export interface DiffOptions
  extends Pick<FromBuildsOptions, 'old' | 'new' | 'keepData' | 'allowLayouts' | 'allowNewState'> {
  /** What was prepared from `old`, if that was not done with `prepare`'s options below. */
  readonly target?: Uint8Array;
  readonly prepare?: PrepareOptions;
}

export interface BuildDiff {
  readonly changed: readonly ChangedFunction[];
  /** Functions that a patch brings although they did not change, because they call one without a guard. */
  readonly along: readonly { readonly name: string; readonly because: string }[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Functions that differ in the line numbers of assertions only. */
  readonly lines: readonly string[];
  readonly data: readonly ChangedData[];
  /** Why no patch can be built. Empty: it can. What comes after the first obstacle of its kind is not looked at. */
  readonly refused: readonly Refusal[];
  /** What the author should know besides, one sentence each. */
  readonly notes: readonly string[];
}

export interface ChangedFunction {
  readonly name: string;
  /** Function indices in the two builds. */
  readonly index: { readonly old: FuncIndex; readonly new: FuncIndex };
  /** `type`: its signature changed, too. */
  readonly how: 'body' | 'type';
  /** The first instructions that differ, or the two signatures. */
  readonly first: Difference;
  /** False: the program has no slot for it, so that its callers come along. */
  readonly hasSlot: boolean;
  /** Where the new version was written: known of builds with debug information. */
  readonly source?: SourcePosition;
}

export interface ChangedData {
  readonly name: string;
  readonly how: 'size' | 'value';
  readonly oldSizeBytes: number;
  readonly newSizeBytes: number;
  /** Named in `keepData`: the running program keeps its value, and that is meant. */
  readonly kept: boolean;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The function that it is about, where it is about one. */
  readonly function?: string;
}

/** Compares two builds. @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE, and what `prepare` throws */
export async function diffBuilds(options: DiffOptions): Promise<BuildDiff> {
  const target = readTarget(options.target ?? (await prepare(options.old, options.prepare)).bytes);
  refuseOther(target, options.old);
  const comparison = compareModules(options.old, options.new);
  const debug = readDebug(comparison);
  const layouts = layoutFindings(comparison, debug, options.allowLayouts ?? []);
  const inTheWay = dataRefusals(comparison, options.keepData ?? []);
  const refusals: WgraftError[] = [
    ...layouts.refusals,
    ...inTheWay,
    ...constantRefusals(comparison, options.allowNewState ?? []),
  ];
  const selection = attempt(refusals, () => select(comparison, target));
  if (selection !== undefined && selection.replaced.size > 0)
    attempt(refusals, () => synthesise(comparison, selection, target));
  const entryOf = preparedFunctions(target);
  const refusedData = new Set(inTheWay.map(({ details }) => details.symbol));
  return {
    changed: comparison.changed.map((change) => changedFunction(comparison, entryOf, debug, change)),
    along: along(comparison, selection),
    added: comparison.added.map((f) => nameOf(f)),
    removed: comparison.removed.map((f) => nameOf(f)),
    lines: comparison.lines.map((f) => nameOf(f)),
    data: comparison.data.map((d) => ({
      name: d.new.name,
      how: d.how,
      oldSizeBytes: d.old.size,
      newSizeBytes: d.new.size,
      kept: !refusedData.has(d.new.name),
    })),
    refused: refusals.map(refusal),
    notes: layouts.notes,
  };
}

/** True if the new build does nothing that the old one does not, and nothing that it does not do. */
export function isUnchanged(diff: BuildDiff): boolean {
  return diff.changed.length === 0 && diff.data.length === 0 && diff.refused.length === 0;
}

/** What is refused is a finding here, not a failure. */
function attempt<T>(refusals: WgraftError[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!WgraftError.is(error) || error.code === 'WGRAFT_ERR_INTERNAL') throw error;
    refusals.push(error);
    return undefined;
  }
}

function changedFunction(
  comparison: Comparison,
  entryOf: ReadonlyMap<FuncIndex, SlotMapFunction>,
  debug: BuildsDebug,
  { old, new: next, how }: FunctionChange,
): ChangedFunction {
  const source = debug.new.sourceOf(next.index);
  return {
    name: nameOf(next),
    index: { old: old.index, new: next.index },
    how: how.kind,
    first:
      how.kind === 'body'
        ? showDifference(comparison, { old, new: next }, how.at)
        : { old: signature(comparison.old, old), new: signature(comparison.new, next) },
    hasSlot: entryOf.get(old.index)?.slot !== undefined,
    ...(source === undefined ? {} : { source }),
  };
}

function signature({ module }: Build, f: BuildFunction): string {
  return showFuncType(funcType(module, f.index));
}

function along({ new: next }: Comparison, selection: Selection | undefined): BuildDiff['along'] {
  const name = (index: FuncIndex): string => {
    const f = next.functions[index];
    return f === undefined ? `#${index}` : nameOf(f);
  };
  return [...(selection?.expanded ?? [])].map(([f, callee]) => ({ name: name(f), because: name(callee) }));
}

function nameOf(f: BuildFunction): string {
  return f.names[0] ?? `#${f.index}`;
}

function refusal({ code, message, hint, details }: WgraftError): Refusal {
  const about: unknown = 'function' in details ? details.function : undefined;
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(typeof about === 'string' ? { function: about } : {}),
  };
}
