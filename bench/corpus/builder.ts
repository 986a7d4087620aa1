// The patch builder as the bench calls it. Loaded by its path and only when an entry needs it, so that the bench also
// measures the builder of another checkout (--builder FILE), and runs everything but the patch where there is none.

import { pathToFileURL } from 'node:url';
import type { BuiltPatch, buildPatchFromBuilds, FromBuildsOptions } from '../../src/build/index.ts';
import { type ErrorJson, WgraftError } from '../../src/index.ts';

export type BuildFromBuilds = typeof buildPatchFromBuilds;

export type Built =
  | {
      readonly kind: 'patch';
      readonly built: BuiltPatch;
      readonly buildMs: number;
      readonly allowed: readonly string[];
    }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly error: ErrorJson };

/** The builder of that file, undefined where it has none yet. */
export async function loadBuilder(file: string): Promise<BuildFromBuilds | undefined> {
  const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(file).href);
  const found = module['buildPatchFromBuilds'];
  // Loaded by a path that is only known now, so its type is what this bench expects of it.
  return typeof found === 'function' ? (found as BuildFromBuilds) : undefined;
}

/** Builds a patch as a person would who allows the host imports that the builder asks about, and decides nothing else. */
export async function buildFromBuilds(
  build: BuildFromBuilds,
  options: Omit<FromBuildsOptions, 'allowImports'>,
): Promise<Built> {
  const allowed: string[] = [];
  for (;;) {
    const began = performance.now();
    try {
      const built = await build({ ...options, allowImports: allowed });
      return { kind: 'patch', built, buildMs: performance.now() - began, allowed };
    } catch (error) {
      if (!WgraftError.is(error)) throw error;
      if (error.code === 'WGRAFT_ERR_NOTHING_CHANGED') return { kind: 'nothing' };
      if (!WgraftError.is(error, 'WGRAFT_ERR_IMPORT_NOT_ALLOWED') || allowed.includes(error.details.import))
        return { kind: 'refused', error: error.toJSON() };
      allowed.push(error.details.import);
    }
  }
}
