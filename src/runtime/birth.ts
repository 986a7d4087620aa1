// How an instance comes and goes while its program has patches: livepatch's "module coming" and "module going".
//
//   born,     settled        pre_patch, patched, post_patch, before the program runs
//             in transition  pre_patch, patched; post_patch when the transition ends
//             pre_patch fails: the instance is refused, the patches stay with the others
//   released, settled        pre_unpatch, unpatched, post_unpatch, from the top of the stack down
//             in transition  unpatched, post_unpatch of the patch in transition

import { WgraftError } from '../errors.ts';
import { type CallbackName, callbackEvent } from './callbacks.ts';
import { changeOf } from './change.ts';
import { ruleOf } from './consistency.ts';
import type { Instance } from './instance.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { PatcherEvent } from './operations.ts';
import type { Transition } from './transition.ts';

type Emit = (event: PatcherEvent) => void;

/** Gives a new instance what its program has. @throws WGRAFT_ERR_STAGE_FAILED, WGRAFT_ERR_PATCH_REFUSED; then nothing of a patch is left in it */
export function beBorn(instance: Instance, transition: Transition | undefined, emit: Emit): void {
  instance.program.exclusive.run(() => takeOn(instance, transition, emit));
}

function takeOn(instance: Instance, transition: Transition | undefined, emit: Emit): void {
  const { program } = instance;
  const { patches, universe } = transition?.birth ?? {
    patches: program.effective,
    universe: program.universe,
  };
  // Those that it does not follow too: a transition that is reversed leads to them.
  const staged = program.stack.map((r) => r.patch).filter((patch) => patch !== transition?.staging);
  try {
    for (const patch of staged) prePatch(instance, patch, emit);
  } catch (cause) {
    for (const patch of staged.toReversed()) callBack(instance, patch, 'postUnpatch', emit);
    throw cause;
  }
  instance.commit(changeOf(patches).slots, patches, universe);
  for (const patch of staged)
    if (patch !== transition?.record.patch) callBack(instance, patch, 'postPatch', emit);
  transition?.join(instance);
}

/** Takes everything off an instance that leaves. @throws WGRAFT_ERR_INSTANCE_ACTIVE */
export function leave(instance: Instance, transition: Transition | undefined, emit: Emit): void {
  const { program } = instance;
  const patches = program.stack.map((r) => r.patch).reverse();
  const change = changeOf(patches);
  const active = instance.activity(change, ruleOf('leave-kernel'), false);
  if (active !== undefined) {
    const { functions } = active;
    throw new WgraftError('WGRAFT_ERR_INSTANCE_ACTIVE', {
      program: program.name,
      instance: instance.id,
      functions,
    });
  }
  transition?.leave(instance);
  program.exclusive.run(() => {
    for (const patch of patches)
      if (patch !== transition?.record.patch) callBack(instance, patch, 'preUnpatch', emit);
    instance.commit(change.slots, [], program.universe);
    for (const patch of patches) {
      callBack(instance, patch, 'postUnpatch', emit);
      instance.unstage(patch);
    }
  });
}

function prePatch(instance: Instance, patch: LoadedPatch, emit: Emit): void {
  instance.stage(patch);
  const outcome = instance.callBack(patch, 'prePatch');
  if (outcome === undefined) return;
  emit(callbackEvent(instance, patch, 'prePatch', outcome));
  if (outcome.kind === 'done') return;
  const details = { patch: patch.manifest.name, instance: instance.id, reason: outcome.reason };
  throw new WgraftError('WGRAFT_ERR_PATCH_REFUSED', details);
}

function callBack(instance: Instance, patch: LoadedPatch, name: CallbackName, emit: Emit): void {
  if (!instance.isCallbackDue(patch, name)) return;
  const outcome = instance.callBack(patch, name);
  if (outcome !== undefined) emit(callbackEvent(instance, patch, name, outcome));
}
