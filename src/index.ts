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
export * from './runtime/index.ts';
export { version } from './version.ts';

/**
 * Opens the control socket, so that the `wgraft` command finds this process and can patch its programs.
 * The socket does not keep the process alive. Dispose of the server, or end the process, to close it.
 * @example
 * await using control = await listen({ name: 'api' });
 * @throws WGRAFT_ERR_CONTROL_NAME, WGRAFT_ERR_CONTROL_PATH, WGRAFT_ERR_CONTROL_FOLDER, WGRAFT_ERR_CONTROL_LISTEN
 */
export async function listen(
  options: ListenOptions,
  operations: Operations = defaultPatcher,
): Promise<ControlServer> {
  const control = await import('./control/index.ts');
  return control.listen(operations, options);
}
