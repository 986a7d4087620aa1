// Errors on their way to another thread.

import { type ErrorJson, WgraftError } from '../errors.ts';

export function asJson(cause: unknown): ErrorJson {
  if (WgraftError.is(cause)) return cause.toJSON();
  const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new WgraftError('WGRAFT_ERR_INTERNAL', { what }).toJSON();
}
