// All live programs at a glance: what `wgraft ps` shows.

import { WgraftError } from '../errors.ts';
import { connect } from './client.ts';
import { listSockets, type SocketEntry } from './discover.ts';
import type { Hello } from './protocol.ts';
import { defaultFolder } from './socket-folder.ts';

/** A program that was found: `busy` gave no answer in time, `unusable` gave a wrong one. */
export type Found = SocketEntry &
  (
    | { readonly state: 'ready'; readonly hello: Hello }
    | { readonly state: 'busy' }
    | { readonly state: 'unusable'; readonly reason: string }
  );

export interface Discovery {
  readonly folder: string;
  readonly programs: readonly Found[];
  /** Stale socket files that were removed. */
  readonly removed: readonly string[];
}

/**
 * Greets every program whose socket is in the folder, all at once, each for at most `limitMs` (2 000).
 * @throws WGRAFT_ERR_CONTROL_FOLDER
 */
export async function discover(options: { folder?: string; limitMs?: number } = {}): Promise<Discovery> {
  const { folder = defaultFolder(), limitMs = 2000 } = options;
  const { sockets, removed } = await listSockets(folder);
  const programs = await Promise.all(sockets.map((entry) => greet(entry, limitMs)));
  return { folder, programs: programs.flatMap((p) => p ?? []), removed };
}

async function greet(entry: SocketEntry, timeoutMs: number): Promise<Found | undefined> {
  try {
    await using client = await connect(entry.path, { timeoutMs });
    return { ...entry, state: 'ready', hello: client.hello };
  } catch (error) {
    if (WgraftError.is(error, 'WGRAFT_ERR_CONTROL_BUSY')) return { ...entry, state: 'busy' };
    // It ended between the listing and now.
    if (
      WgraftError.is(error, 'WGRAFT_ERR_CONTROL_UNREACHABLE') ||
      WgraftError.is(error, 'WGRAFT_ERR_CONTROL_LOST')
    )
      return undefined;
    return { ...entry, state: 'unusable', reason: error instanceof Error ? error.message : String(error) };
  }
}
