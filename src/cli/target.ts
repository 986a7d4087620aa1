// From TARGET to a connection, and what is said on the way there.

import type { ControlClient } from '../control/index.ts';
import type { TargetOptions } from './options.ts';
import type { Output } from './output.ts';

/** Connects to the program that the argument, --socket or $WGRAFT_SOCKET names, or to the only one there is. */
export async function connectTarget(
  output: Output,
  target: string | undefined,
  options: TargetOptions,
): Promise<ControlClient> {
  const { connect } = await import('../control/index.ts');
  const environment = process.env['WGRAFT_SOCKET'] === '' ? undefined : process.env['WGRAFT_SOCKET'];
  return connect(target ?? options.socket ?? environment, {
    timeoutMs: options.timeout,
    onBusy: (busy) =>
      output.warn(
        `${busy} is busy (no reply in 2s), it will see the request when the call returns; waiting on`,
      ),
    onStale: (path) => output.note(`removed a stale socket, its process is gone: ${path}`),
  });
}

/** How documents name a target. */
export function targetFields(client: ControlClient): { name: string; pid: number; socket: string } {
  return { name: client.hello.name, pid: client.hello.pid, socket: client.path };
}
