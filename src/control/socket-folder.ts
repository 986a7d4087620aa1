// Where control sockets live: a folder that only its owner can open, one file a program, `<name>-<pid>.sock`.

import { lstat, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { reasonOf, WgraftError } from '../errors.ts';

/** sun_path holds 108 bytes on Linux and 104 elsewhere, with a final zero. */
const pathLimitBytes = process.platform === 'linux' ? 107 : 103;

/** The folder that this user's programs and commands share. */
export function defaultFolder(): string {
  const { WGRAFT_SOCKET_DIR: own, XDG_RUNTIME_DIR: runtime } = process.env;
  if (own !== undefined && own !== '') return path.resolve(own);
  if (runtime !== undefined && runtime !== '') return path.join(runtime, 'wgraft');
  return `/tmp/wgraft-${process.getuid?.() ?? 'user'}`;
}

export function isControlName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
}

/** The socket of a program. @throws WGRAFT_ERR_CONTROL_NAME, WGRAFT_ERR_CONTROL_PATH */
export function socketPath(folder: string, name: string, pid: number): string {
  if (!isControlName(name)) throw new WgraftError('WGRAFT_ERR_CONTROL_NAME', { name });
  const file = path.join(folder, `${name}-${pid}.sock`);
  checkPathLength(file);
  return file;
}

/** Node answers a longer path with a bare EINVAL. @throws WGRAFT_ERR_CONTROL_PATH */
export function checkPathLength(file: string): void {
  const sizeBytes = Buffer.byteLength(file);
  if (sizeBytes <= pathLimitBytes) return;
  throw new WgraftError('WGRAFT_ERR_CONTROL_PATH', { path: file, sizeBytes, limitBytes: pathLimitBytes });
}

/** Name and pid of a socket file, undefined where it is none of ours. */
export function parseSocketFile(file: string): { name: string; pid: number } | undefined {
  const [, name, pid] = /^(.+)-(\d{1,10})\.sock$/.exec(path.basename(file)) ?? [];
  return name === undefined || !isControlName(name) ? undefined : { name, pid: Number(pid) };
}

/** Makes the folder where it is missing, and refuses one that others could use. @throws WGRAFT_ERR_CONTROL_FOLDER */
export async function openFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    refuse(folder, reasonOf(cause), cause);
  }
  await checkFolder(folder);
}

/** False where there is no such folder. @throws WGRAFT_ERR_CONTROL_FOLDER */
export async function checkFolder(folder: string): Promise<boolean> {
  // lstat: in /tmp someone else could have put a link there.
  const found = await lstat(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    return refuse(folder, reasonOf(cause), cause);
  });
  if (found === undefined) return false;
  if (!found.isDirectory()) refuse(folder, 'it is not a folder');
  const own = process.getuid?.();
  if (own !== undefined && found.uid !== own) refuse(folder, `it belongs to another user (uid ${found.uid})`);
  const mode = found.mode & 0o777;
  if ((mode & 0o077) !== 0) refuse(folder, `others can open it (mode ${mode.toString(8).padStart(4, '0')})`);
  return true;
}

function refuse(folder: string, reason: string, cause?: unknown): never {
  throw new WgraftError('WGRAFT_ERR_CONTROL_FOLDER', { folder, reason }, { cause });
}
