// The package's `.` entry: what a host embeds. No dependency is loaded by importing it; `listen` loads the control room.

import type { ControlServer, ListenOptions } from './control/index.ts';
import { defaultPatcher, type Operations } from './runtime/index.ts';

export { type ErrorCode, type ErrorJson, errorCodes, WgraftError } from './errors.ts';
export {
  type Instantiated,
  type InstantiateOptions,
  type Invitation,
  instantiate,
  joinGroup,
  type Member,
  ThreadGroup,
  type ThreadGroupOptions,
} from './host/index.ts';
export {
  type AdoptOptions,
  type Blocking,
  defaultPatcher,
  type Instance,
  type InstanceHandle,
  type InstanceStatus,
  type LoadedPatch,
  type Operations,
  Patcher,
  type PatcherEvent,
  type PatchState,
  type PatchStatus,
  type Program,
  type ProgramStatus,
  type ShadowCtor,
  type ShadowDtor,
  type ShadowVariables,
  type Stats,
  type Status,
  type Transition,
  type TransitionOptions,
  type TransitionResult,
  type TransitionState,
  type TransitionStatus,
  type VerifyReport,
} from './runtime/index.ts';
export { version } from './version.ts';

/**
 * Opens the control socket, so that the `wgraft` command finds this process and can patch its programs.
 * The socket does not keep the process alive. `close()`, or the end of the process, closes it.
 * @example
 * const control = await listen({ name: 'api' });
 * @throws WGRAFT_ERR_CONTROL_NAME, WGRAFT_ERR_CONTROL_PATH, WGRAFT_ERR_CONTROL_FOLDER, WGRAFT_ERR_CONTROL_LISTEN
 */
export async function listen(
  options: ListenOptions,
  operations: Operations = defaultPatcher,
): Promise<ControlServer> {
  const control = await import('./control/index.ts');
  return control.listen(options, operations);
}
