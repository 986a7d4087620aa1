// Digests of results: short enough to compare at a glance, exact enough that one changed bit shows.

import { createHash } from 'node:crypto';

/** The first 16 hex digits of the SHA-256 over bytes, or over the JSON of anything else. */
export function digest(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value : (JSON.stringify(value) ?? 'undefined');
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** A source of numbers in [0, 1) that gives the same row for the same seed. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
