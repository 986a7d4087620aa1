// livepatch's callbacks, in one instance. An unpatch callback runs if and only if its counterpart ran:
//
//   pre_patch  <-> post_unpatch      post_patch <-> pre_unpatch
//
// A callback that a patch does not have counts as run. Only pre_patch can refuse; another one that traps is told and
// changes nothing: the transition goes on.

import type { Callbacks } from '../patch/index.ts';
import type { Instance } from './instance.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { PatcherEvent } from './operations.ts';
import type { StagedPatch } from './stage.ts';

export type CallbackName = keyof Callbacks;

/** How a callback ended. */
export type CallbackOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'trapped'; readonly reason: string };

/** Which of the patch's callbacks have run in this instance, without their counterpart. */
export interface CallbackState {
  prePatched: boolean;
  postPatched: boolean;
}

export function isCallbackDue(state: CallbackState, name: CallbackName): boolean {
  switch (name) {
    case 'prePatch':
      return !state.prePatched;
    case 'postPatch':
      return state.prePatched && !state.postPatched;
    case 'preUnpatch':
      return state.postPatched;
    case 'postUnpatch':
      return state.prePatched;
  }
}

/** Calls one callback; undefined where the patch has none. Never throws. */
export function callBack(staged: StagedPatch, name: CallbackName): CallbackOutcome | undefined {
  const outcome = run(staged, name);
  if (outcome?.kind !== 'refused' && !(name === 'prePatch' && outcome?.kind === 'trapped'))
    note(staged.callbacks, name);
  return outcome;
}

function run({ instance, patch }: StagedPatch, name: CallbackName): CallbackOutcome | undefined {
  const exported = patch.manifest.callbacks?.[name];
  const f = exported === undefined ? undefined : instance.exports[exported];
  if (typeof f !== 'function') return undefined;
  try {
    const answer: unknown = f();
    if (name === 'prePatch' && answer !== 0)
      return { kind: 'refused', reason: `it returned ${String(answer)}` };
    return { kind: 'done' };
  } catch (cause) {
    return { kind: 'trapped', reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

function note(state: CallbackState, name: CallbackName): void {
  switch (name) {
    case 'prePatch':
      state.prePatched = true;
      return;
    case 'postPatch':
      state.postPatched = true;
      return;
    case 'preUnpatch':
      state.postPatched = false;
      return;
    case 'postUnpatch':
      state.prePatched = false;
      state.postPatched = false;
      return;
  }
}

export function callbackEvent(
  instance: Instance,
  patch: LoadedPatch,
  callback: CallbackName,
  outcome: CallbackOutcome,
): PatcherEvent {
  const where = { program: instance.program.name, patch: patch.manifest.name, instance: instance.id };
  const { kind, ...reason } = outcome;
  return { type: 'callback', ...where, callback, outcome: kind, ...reason };
}
