// What an author asks of the runtime besides replaced functions: livepatch's replace and system states, a consistency model.

import { WgraftError } from '../errors.ts';
import {
  type ConsistencyModel,
  consistencyModels,
  isSystemState,
  type Manifest,
  type SystemState,
} from '../patch/index.ts';

export interface PatchRules {
  /** The patch takes the place of all that are applied (atomic replace). */
  readonly cumulative?: boolean;
  /** System states that it changes, with their versions: ids from 1, each once. */
  readonly states?: readonly SystemState[];
  /** When instances may switch; default: the runtime's. */
  readonly model?: ConsistencyModel;
}

/** @throws WGRAFT_ERR_OPTION_INVALID */
export function checkRules({ states = [], model }: PatchRules): void {
  const wrong = states.find((s) => !isSystemState(s));
  if (wrong !== undefined)
    invalid(
      'states',
      `${wrong.id}=${wrong.version}: ids go from 1 to 4294967295, versions from 0 to 4294967294`,
    );
  const twice = states.find((s, i) => states.findIndex((t) => t.id === s.id) !== i);
  if (twice !== undefined) invalid('states', `${twice.id} is given twice`);
  if (model !== undefined && !consistencyModels.includes(model))
    invalid('model', `"${model}" is none of ${consistencyModels.join(', ')}`);
}

/** The fields of the manifest that say it; none for what was not asked. */
export function writtenRules(rules: PatchRules): Pick<Manifest, keyof PatchRules> {
  const { cumulative = false, states = [], model } = rules;
  const sorted = states.map(({ id, version }) => ({ id, version })).sort((a, b) => a.id - b.id);
  return {
    ...(states.length === 0 ? {} : { states: sorted }),
    ...(cumulative ? { cumulative } : {}),
    ...(model === undefined ? {} : { model }),
  };
}

function invalid(option: string, reason: string): never {
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option, reason });
}
