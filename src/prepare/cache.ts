// Prepared modules kept on disk, so that `wgraft run` prepares a program once and not at every start. Keyed by everything
// that the result depends on; an entry that is damaged is made again; a folder that cannot be written to is no error.
//
//   entry := SHA-256 of the rest (32 bytes)  prepared module

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { reasonOf } from '../errors.ts';
import { version } from '../version.ts';
import { type PrepareOptions, prepare } from './prepare.ts';

export interface CacheOptions extends PrepareOptions {
  /** Default: the user's cache folder. */
  readonly folder?: string;
}

export interface CachedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `hit`: read from the cache; `made`: prepared and kept; `unkept`: prepared, and could not be kept. */
  readonly cache: 'hit' | 'made' | 'unkept';
  /** Where it is, or would be. */
  readonly file: string;
  /** Why it could not be kept. */
  readonly reason?: string;
}

const extension = '.prepared';
const hashBytes = 32;
const keepMs = 30 * 24 * 60 * 60 * 1000;

/** As `prepare`, with the result taken from the cache where it is there. @throws what `prepare` throws */
export async function prepareCached(bytes: Uint8Array, options: CacheOptions = {}): Promise<CachedModule> {
  const { folder = await defaultFolder(), ...how } = options;
  const file = path.join(folder, keyOf(bytes, how) + extension);
  const found = await readEntry(file);
  if (found !== undefined) {
    // Entries that are in use are not old.
    await utimes(file, new Date(), new Date()).catch(() => {});
    return { bytes: found, cache: 'hit', file };
  }
  const prepared = await prepare(bytes, how);
  try {
    await writeEntry(file, prepared.bytes);
  } catch (error) {
    return { bytes: prepared.bytes, cache: 'unkept', file, reason: reasonOf(error) };
  }
  await dropOld(folder);
  return { bytes: prepared.bytes, cache: 'made', file };
}

async function defaultFolder(): Promise<string> {
  const { default: envPaths } = await import('env-paths');
  return envPaths('wgraft', { suffix: '' }).cache;
}

function keyOf(bytes: Uint8Array, { slots, fentry, engine }: PrepareOptions): string {
  const hash = createHash('sha256').update(JSON.stringify([version, slots, fentry, engine]));
  return hash.update('\0').update(bytes).digest('hex');
}

/** Undefined where there is none, or it is not what was written. */
async function readEntry(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const entry = await readFile(file).catch(() => undefined);
  if (entry === undefined || entry.length <= hashBytes) return undefined;
  const bytes = new Uint8Array(entry.buffer, entry.byteOffset + hashBytes, entry.length - hashBytes);
  return sha256(bytes).equals(entry.subarray(0, hashBytes)) ? bytes : undefined;
}

async function writeEntry(file: string, bytes: Uint8Array): Promise<void> {
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await writeFileAtomic(file, Buffer.concat([sha256(bytes), bytes]), { mode: 0o600 });
}

async function dropOld(folder: string): Promise<void> {
  const files = await readdir(folder).catch((): string[] => []);
  for (const name of files.filter((f) => f.endsWith(extension))) {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > keepMs) await rm(file, { force: true });
  }
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
