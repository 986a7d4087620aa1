// What the host holds of an instance that it gave to a patcher.

import type { Instance } from './instance.ts';
import type { ShadowVariables } from './shadow.ts';

/** What the host gets for an adopted instance. */
export interface InstanceHandle {
  readonly id: number;
  /** Name of its program. */
  readonly program: string;
  /** The universe its slots belong to. */
  readonly universe: number;
  /** Data that patches, and the host, attach to objects of the program. */
  readonly shadow: ShadowVariables;
}

export function handleOf(instance: Instance): InstanceHandle {
  return {
    id: instance.id,
    program: instance.program.name,
    shadow: instance.shadow,
    get universe() {
      return instance.universe;
    },
  };
}
