// Finding live programs: the socket folder is the list. A file that nobody listens on any more (its process was killed) is
// removed on the way; a program that is too busy to answer is still listed.

import { lstat, readdir, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import path from 'node:path';
import { reasonOf, WgraftError } from '../errors.ts';
import { checkFolder, checkPathLength, defaultFolder, parseSocketFile } from './socket-folder.ts';

/** A socket that someone listens on. */
export interface SocketEntry {
  readonly name: string;
  readonly pid: number;
  readonly path: string;
}

export interface SocketList {
  readonly folder: string;
  /** By name, then pid. */
  readonly sockets: readonly SocketEntry[];
  /** Stale files that were removed. */
  readonly removed: readonly string[];
}

/** Opens a connection. @throws the system's error */
export function dial(file: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(file);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

/** A file younger than this may belong to a server that has bound it and not yet begun to listen. */
const youngMs = 1000;

/** True for a socket file that nobody listens on any more. */
export async function isStale(file: string): Promise<boolean> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined || !found.isSocket()) return false;
  const error: unknown = await dial(file).then(
    (socket) => void socket.destroy(),
    (cause: unknown) => cause,
  );
  if (!(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')) return false;
  const pid = parseSocketFile(file)?.pid;
  return pid === undefined || pid === process.pid || !isAlive(pid) || Date.now() - found.mtimeMs > youngMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Lists the sockets of a folder that are alive. @throws WGRAFT_ERR_CONTROL_FOLDER */
export async function listSockets(folder: string = defaultFolder()): Promise<SocketList> {
  const sockets: SocketEntry[] = [];
  const removed: string[] = [];
  const files = (await checkFolder(folder)) ? await namesIn(folder) : [];
  for (const file of files) {
    const named = parseSocketFile(file);
    if (named === undefined) continue;
    const full = path.join(folder, file);
    if (await removeStale(full)) removed.push(full);
    else sockets.push({ ...named, path: full });
  }
  sockets.sort((a, b) => (a.name === b.name ? a.pid - b.pid : a.name < b.name ? -1 : 1));
  return { folder, sockets, removed };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new WgraftError('WGRAFT_ERR_CONTROL_FOLDER', { folder, reason: reasonOf(cause) }, { cause });
  }
}

async function removeStale(file: string): Promise<boolean> {
  if (!(await isStale(file))) return false;
  await rm(file, { force: true });
  return true;
}

export interface FindOptions {
  /** Where TARGET is looked up; default as for `listen`. */
  readonly folder?: string;
  /** Called for each stale socket that was removed on the way. */
  readonly onStale?: (path: string) => void;
}

/**
 * Finds the program that TARGET (pid, name or socket path) means; undefined: the only one there is.
 * @throws WGRAFT_ERR_TARGET_NONE, WGRAFT_ERR_TARGET_UNKNOWN, WGRAFT_ERR_TARGET_AMBIGUOUS, WGRAFT_ERR_CONTROL_UNREACHABLE,
 *   WGRAFT_ERR_CONTROL_PATH, WGRAFT_ERR_CONTROL_FOLDER
 */
export async function findTarget(target?: string, options: FindOptions = {}): Promise<SocketEntry> {
  if (target !== undefined && (target.includes('/') || target.endsWith('.sock'))) return byPath(target);
  const { sockets, removed, folder } = await listSockets(options.folder);
  for (const file of removed) options.onStale?.(file);
  if (sockets.length === 0 && target === undefined)
    throw new WgraftError('WGRAFT_ERR_TARGET_NONE', { folder });
  const fits = target === undefined ? sockets : matching(sockets, target);
  const [found, ...others] = fits;
  if (found === undefined) {
    const candidates = sockets.map(showEntry);
    throw new WgraftError('WGRAFT_ERR_TARGET_UNKNOWN', { target: target ?? '', candidates });
  }
  if (others.length > 0) {
    throw new WgraftError('WGRAFT_ERR_TARGET_AMBIGUOUS', { target, candidates: fits.map(showEntry) });
  }
  return found;
}

function matching(sockets: readonly SocketEntry[], target: string): readonly SocketEntry[] {
  const byPid = sockets.filter((s) => String(s.pid) === target);
  return byPid.length > 0 ? byPid : sockets.filter((s) => s.name === target);
}

async function byPath(target: string): Promise<SocketEntry> {
  const file = path.resolve(target);
  checkPathLength(file);
  if (await removeStale(file)) {
    const reason = 'its process is gone; the stale socket was removed';
    throw new WgraftError('WGRAFT_ERR_CONTROL_UNREACHABLE', { target, reason });
  }
  return { name: target, pid: 0, ...parseSocketFile(file), path: file };
}

/** How messages call a program: `api (pid 4121)`. */
export function showEntry(entry: { readonly name: string; readonly pid: number }): string {
  return entry.pid === 0 ? entry.name : `${entry.name} (pid ${entry.pid})`;
}
