// The folder that prepared modules are kept in: files that many processes read and write at once. An entry appears whole or not at all,
// one that is damaged counts as none, and the folder stays within a size: what was not used for longest goes first.
//
//   entry := SHA-256 of the rest (32 bytes)  prepared module

import { createHash, randomUUID } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import envPaths from 'env-paths';

const extension = '.prepared';
/** What a process that was killed while it wrote leaves behind. */
const unfinished = '.writing';
const hashBytes = 32;
const keepMs = 30 * 24 * 60 * 60 * 1000;
const unfinishedMs = 60 * 60 * 1000;

/** The folder that all of this user's programs share. */
export function defaultFolder(): string {
  return envPaths('wgraft', { suffix: '' }).cache;
}

export function entryFile(folder: string, key: string): string {
  return path.join(folder, key + extension);
}

/** Undefined where there is none, or it is not what was written. */
export function readEntry(file: string): Uint8Array<ArrayBuffer> | undefined {
  const entry = ifPossible(() => readFileSync(file));
  if (entry === undefined || entry.length <= hashBytes) return undefined;
  const bytes = new Uint8Array(entry.buffer, entry.byteOffset + hashBytes, entry.length - hashBytes);
  if (!sha256(bytes).equals(entry.subarray(0, hashBytes))) return undefined;
  // Entries that are in use are not old.
  ifPossible(() => utimesSync(file, new Date(), new Date()));
  return bytes;
}

/** @throws the system's error */
export function writeEntry(file: string, bytes: Uint8Array): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}-${randomUUID()}${unfinished}`;
  try {
    writeFileSync(temporary, sha256(bytes), { mode: 0o600, flag: 'wx' });
    writeFileSync(temporary, bytes, { flag: 'a' });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Removes an entry that turned out to be of no use. */
export function dropEntry(file: string): void {
  ifPossible(() => rmSync(file, { force: true }));
}

/** Drops what is old, and the oldest until the rest is no larger than `limitBytes`; the newest stays in any case. */
export function trimFolder(folder: string, limitBytes: number): void {
  const entries = (ifPossible(() => readdirSync(folder)) ?? []).flatMap((name) => {
    const file = path.join(folder, name);
    const found = name.includes(extension) ? ifPossible(() => statSync(file)) : undefined;
    return found === undefined ? [] : [{ file, sizeBytes: found.size, ageMs: Date.now() - found.mtimeMs }];
  });
  entries.sort((a, b) => a.ageMs - b.ageMs);
  let totalBytes = 0;
  for (const [i, { file, sizeBytes, ageMs }] of entries.entries()) {
    totalBytes += sizeBytes;
    const limitMs = file.endsWith(unfinished) ? unfinishedMs : keepMs;
    if (ageMs > limitMs || (i > 0 && totalBytes > limitBytes)) dropEntry(file);
  }
}

/** The cache is a convenience: what another process or the disk has against it is no failure. */
function ifPossible<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
