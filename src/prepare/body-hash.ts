// The hash of a function body, as the slot map carries it and run-pre matching (Ksplice) compares it.

import { hash } from 'node:crypto';
import type { Body } from '../wasm/index.ts';

/** SHA-256 of a body's bytes: locals vector, instructions, final `end`. 32 bytes. */
export function hashBody(bytes: Uint8Array, body: Body): Uint8Array {
  return hash('sha256', bytes.subarray(body.start, body.end), 'buffer');
}
