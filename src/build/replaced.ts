// Which functions of the program a patch replaces, and what their replacements may be called in the sources.

import { WgraftError } from '../errors.ts';
import type { SlotlessReason, SlotMapFunction } from '../patch/index.ts';
import type { FuncIndex, SlotIndex } from '../wasm/index.ts';
import type { Source } from './compile.ts';
import type { SourcePosition } from './dwarf/index.ts';
import { findFunction } from './function-reference.ts';
import { showTargetFunction, type Target } from './target.ts';

export interface ReplacedFunction {
  readonly index: FuncIndex;
  /** Undefined for one without a slot: then the patch brings its callers along, and they call the replacement. */
  readonly slot: SlotIndex | undefined;
  readonly entry: SlotMapFunction;
  readonly name: string;
  /** Names under which a source may define the replacement, the likeliest first. */
  readonly labels: readonly string[];
  /** What the replacement comes from, for messages. */
  readonly file: string;
  /** Nobody changed it: it is here because of what it calls. */
  readonly unchanged?: true;
  /** Where the new version was written, if debug information says so. */
  readonly position?: SourcePosition;
}

/** The `file` of functions that are copied out of the prepared program. */
export const copiedFile = 'the program';

/** One whose replacement somebody wrote. */
export interface WrittenFunction extends ReplacedFunction {
  readonly source: Source;
}

/** One that the program's slot leads to. */
export type RedirectedFunction = ReplacedFunction & { readonly slot: SlotIndex };

export function isRedirected(f: ReplacedFunction): f is RedirectedFunction {
  return f.slot !== undefined;
}

/** @throws WGRAFT_ERR_FUNCTION_UNKNOWN, WGRAFT_ERR_FUNCTION_AMBIGUOUS, WGRAFT_ERR_SLOT_MISSING, WGRAFT_ERR_OPTION_INVALID */
export function chooseReplacements(
  target: Target,
  replacements: readonly { readonly function: string; readonly source: Source }[],
): WrittenFunction[] {
  const chosen = replacements.map((r) => choose(target, r.function, r.source));
  const twice = chosen.find((a, i) => chosen.findIndex((b) => b.index === a.index) !== i);
  if (twice !== undefined) invalid(`"${twice.name}" is replaced twice`);
  return chosen;
}

function choose(target: Target, reference: string, source: Source): WrittenFunction {
  const index = findFunction(target, reference);
  const entry = target.functions.get(index);
  const name = showTargetFunction(target, index);
  if (entry === undefined) {
    throw new WgraftError('WGRAFT_ERR_SLOT_MISSING', {
      function: name,
      reason: 'it is an import of the program',
      remedy: 'it belongs to the host; replace the functions that call it',
    });
  }
  if (entry.reason !== undefined && !isInner(entry.reason))
    throw new WgraftError('WGRAFT_ERR_SLOT_MISSING', { function: name, ...slotless[entry.reason] });
  const exported = target.module.exports.filter((e) => e.kind === 'func' && e.index === index);
  const labels = [reference, name, ...exported.map((e) => e.name), `#${index}`];
  return { index, slot: entry.slot, entry, name, labels: [...new Set(labels)], file: source.file, source };
}

/** Left out because only direct calls lead to it: a patch that brings these along can replace it. */
export function isInner(reason: SlotlessReason): reason is 'leaf' | 'small' | 'inner' {
  return reason === 'leaf' || reason === 'small' || reason === 'inner';
}

const slotless: Readonly<Record<'notrace' | 'too-large', { reason: string; remedy: string }>> = {
  notrace: {
    reason: 'the compiler did not mark it with an fentry prologue',
    remedy: 'replace the functions that call it, or build the program without no_instrument_function on it',
  },
  'too-large': {
    reason: 'its body is as large as the engine allows, with no room for a slot',
    remedy: 'replace the functions that call it',
  },
};

function invalid(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'replacements', reason });
}
