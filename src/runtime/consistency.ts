// Consistency models in the terms of the kGraft talk: what an instance must have left before it may switch, and whether
// instances switch one by one or all at once.
//
//                 | switch-thread (one by one)            | switch-kernel (all at once)
//   --------------+---------------------------------------+------------------------------------------
//   leave-set     | hybrid, leave-set (proposed kpatch)   | stop-machine (Ksplice, kpatch)
//   leave-kernel  | leave-kernel (kGraft)                 | checkpoint (checkpoint and restart, kexec)
//   leave nothing | immediate (Erlang)                    |
//   safe point    | safe-point (Kitsune)                  |

import { WgraftError } from '../errors.ts';
import type { ConsistencyModel } from '../patch/index.ts';
import { canSeeFrames } from './activeness.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

export interface Rule {
  /** What no activation may be in: the changed functions, any function of the kernel, nothing; or the program says when. */
  readonly leave: 'set' | 'kernel' | 'nothing' | 'safe-point';
  readonly switch: 'thread' | 'kernel';
  /** Where stacks cannot be trusted, wait until the kernel is left; false: refuse to begin. */
  readonly fallsBack: boolean;
  /** What instances have not done that it still waits for, where that is not to leave functions. */
  readonly unmet?: { readonly reason: string };
}

const noSafePoint = 'the program has not come to a safe point (a call of wgraft_safe_point)';

const rules: { readonly [Model in ConsistencyModel]: Rule } = {
  hybrid: { leave: 'set', switch: 'thread', fallsBack: true },
  'leave-set': { leave: 'set', switch: 'thread', fallsBack: false },
  'leave-kernel': { leave: 'kernel', switch: 'thread', fallsBack: true },
  'stop-machine': { leave: 'set', switch: 'kernel', fallsBack: true },
  checkpoint: { leave: 'kernel', switch: 'kernel', fallsBack: true },
  immediate: { leave: 'nothing', switch: 'thread', fallsBack: true },
  'safe-point': { leave: 'safe-point', switch: 'thread', fallsBack: true, unmet: { reason: noSafePoint } },
};

export const defaultModel: ConsistencyModel = 'hybrid';

export function ruleOf(model: ConsistencyModel): Rule {
  return rules[model];
}

/** A model that does not fall back needs stacks that it can trust. @throws WGRAFT_ERR_MODEL_UNSUPPORTED */
export function refuseUntrusted(program: Program, patch: LoadedPatch, model: ConsistencyModel): void {
  if (ruleOf(model).fallsBack) return;
  const refuse = (reason: string): never => {
    throw new WgraftError('WGRAFT_ERR_MODEL_UNSUPPORTED', { model, program: program.name, reason });
  };
  if (!canSeeFrames()) refuse('this engine does not show what is on the stack');
  if (program.map.tryBlocks || patch.tryBlocks)
    refuse('its code has try blocks, and the engine does not show all functions that are active in them');
}
