// Prepared modules kept on disk, so that a program is prepared once and not at every start. Keyed by everything that the
// result depends on; an entry that is damaged is made again; a folder that cannot be written to is no error. What prepares is
// only loaded where something has to be prepared.

import { createHash } from 'node:crypto';
import { reasonOf } from '../errors.ts';
import { requireNow } from '../require-now.ts';
import { version } from '../version.ts';
import { defaultFolder, dropEntry, entryFile, readEntry, trimFolder, writeEntry } from './cache-folder.ts';
import type { PrepareOptions } from './prepare.ts';
import { revision } from './revision.ts';

export interface CacheOptions extends Omit<PrepareOptions, 'sourceMap'> {
  /** Default: the user's cache folder. */
  readonly folder?: string;
  /** How large the folder may grow, bytes. Default 1 GiB. */
  readonly limitBytes?: number;
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

const defaultLimitBytes = 1024 ** 3;

/** As `prepare`, with the result taken from the cache where it is there. @throws what `prepare` throws */
export async function prepareCached(bytes: Uint8Array, options: CacheOptions = {}): Promise<CachedModule> {
  const file = fileFor(bytes, options);
  const known = found(file);
  if (known !== undefined) return known;
  const { prepare } = await import('./prepare.ts');
  return kept(file, (await prepare(bytes, options)).bytes, options);
}

/**
 * As `prepareSync`, with the result taken from the cache where it is there; undefined where no function can have a slot.
 * @throws what `prepareSync` throws
 */
export function prepareCachedSync(
  bytes: Uint8Array,
  options: Omit<CacheOptions, 'engine'> = {},
): CachedModule | undefined {
  const file = fileFor(bytes, options);
  const known = found(file);
  if (known !== undefined) return known;
  const prepared = prepareUncached(bytes, options);
  return prepared && kept(file, prepared.bytes, options);
}

/** `prepareSync`, loaded when it is called. @throws what `prepareSync` throws */
export function prepareUncached(
  ...args: Parameters<typeof import('./prepare.ts').prepareSync>
): ReturnType<typeof import('./prepare.ts').prepareSync> {
  return requireNow<typeof import('./prepare.ts')>(import.meta.url, './prepare').prepareSync(...args);
}

/** Forgets a prepared module that the engine did not take. */
export function forgetCached({ file }: CachedModule): void {
  dropEntry(file);
}

function fileFor(
  bytes: Uint8Array,
  { slots, fentry, engine, attention, folder = defaultFolder() }: CacheOptions,
): string {
  const how = [version, revision, slots, fentry, engine, attention];
  const hash = createHash('sha256').update(JSON.stringify(how)).update('\0').update(bytes);
  return entryFile(folder, hash.digest('hex'));
}

function found(file: string): CachedModule | undefined {
  const bytes = readEntry(file);
  return bytes === undefined ? undefined : { bytes, cache: 'hit', file };
}

function kept(
  file: string,
  bytes: Uint8Array<ArrayBuffer>,
  { folder = defaultFolder(), limitBytes = defaultLimitBytes }: CacheOptions,
): CachedModule {
  try {
    writeEntry(file, bytes);
  } catch (error) {
    return { bytes, cache: 'unkept', file, reason: reasonOf(error) };
  }
  trimFolder(folder, limitBytes);
  return { bytes, cache: 'made', file };
}
