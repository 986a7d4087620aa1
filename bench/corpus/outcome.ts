// What can become of an entry, in plain data: what the entry's process reports and the report prints.

import type { ErrorJson } from '../../src/index.ts';

/** What the entry's process is doing; the last one told is where a crash or a hang happened. */
export type Phase =
  | 'reading'
  | 'running the builds plainly'
  | 'preparing'
  | 'running old prepared'
  | 'building the patch'
  | 'applying'
  | 'running patched'
  | 'making the other checks'
  | 'counting reached functions'
  | 'reverting'
  | 'running reverted';

/**
 * | outcome      | means                                                                                     |
 * | ------------ | ----------------------------------------------------------------------------------------- |
 * | applied      | applied live with no hand-written code, and everything that was compared is right         |
 * | refused      | a typed refusal, from preparing, building or applying; nothing was changed                |
 * | nothing      | the builder says that nothing changed, and so says the recipe                             |
 * | wrong        | it was done and `differences` says what is not as it must be: never acceptable            |
 * | failed       | a crash, a hang, an untyped error: a bug                                                  |
 * | not built    | the corpus could not build the pair                                                       |
 * | no builder   | src/build has no buildPatchFromBuilds: everything up to the patch was run and is right    |
 */
export type Outcome =
  | { readonly kind: 'applied' }
  | { readonly kind: 'refused'; readonly during: Phase; readonly error: ErrorJson }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'wrong'; readonly differences: readonly string[] }
  | { readonly kind: 'failed'; readonly during: Phase; readonly reason: string }
  | { readonly kind: 'not built'; readonly reason: string }
  | { readonly kind: 'no builder' };

export const outcomeKinds = [
  'applied',
  'refused',
  'nothing',
  'wrong',
  'failed',
  'not built',
  'no builder',
] as const satisfies readonly Outcome['kind'][];

export interface PatchFigures {
  readonly sizeBytes: number;
  readonly buildMs: number;
  /** Functions whose slot the patch takes. */
  readonly replaced: number;
  /** Functions whose code changed, and those that moved along with a callee without a slot, as the builder reports them. */
  readonly changed?: number;
  readonly expanded?: number;
  /** Further functions that the patch carries. */
  readonly added: number;
  /** Bytes of the program's memory for its own data. */
  readonly memoryBytes: number;
  /** Host imports that had to be allowed by name. */
  readonly allowed: readonly string[];
  readonly notes: readonly string[];
  /** How many of the replaced functions the entry's calls run; `of` is at most 32. */
  readonly reached?: { readonly reached: number; readonly of: number };
  readonly applyMs?: number;
  readonly revertMs?: number;
}

export interface Result {
  readonly outcome: Outcome;
  /** Size of the prepared module, which is what the program loads. */
  readonly moduleBytes?: number;
  readonly functions?: number;
  readonly slots?: number;
  readonly prepareMs?: number;
  readonly patch?: PatchFigures;
  /** Largest memory of the process, MB. */
  readonly peakMb?: number;
  /** Checks for other fixes of the package, on fresh instances: no part of the outcome, since some of them do what C leaves undefined. */
  readonly otherChecks?: { readonly equal: number; readonly differing: readonly string[] };
  /** Where the builds, run plainly, do not do what the recipe says. */
  readonly notes: readonly string[];
}

export interface Row extends Result {
  readonly name: string;
  readonly cve: readonly string[];
  readonly kinds: readonly string[];
  readonly seconds: number;
}

/** What the bench asks of an entry's process. */
export interface Job {
  readonly recipe: string;
  readonly old: string;
  readonly new: string;
  readonly slots: 'all' | 'auto' | 'entry';
  readonly builder: string;
  readonly keep?: string;
}

/** What it hears of it; one `result`, the last message. */
export type Message = { readonly phase: Phase } | { readonly result: Result };
