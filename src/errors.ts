// Every error that wgraft throws: one class. Its codes are in error-details.ts, what they say in error-table.ts.
// Callers match on `code`; WgraftError.is() also knows errors of a second copy of the package.

import type { ErrorCode, ErrorDetails } from './error-details.ts';
import { type Entry, exitCodes } from './error-entry.ts';
import { errorTable } from './error-table.ts';

export type { ErrorCode, ErrorDetails } from './error-details.ts';
export { exitCodes } from './error-entry.ts';

const brand = Symbol.for('wgraft.error');

/** What crosses the control socket. */
export interface ErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details: Record<string, unknown>;
}

/** The one error class: `code` says which, `message` what was found, `hint` what to do next. */
export class WgraftError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'WgraftError';
  readonly code: C;
  readonly details: ErrorDetails<C>;
  readonly hint: string | undefined;

  constructor(code: C, details: ErrorDetails<C>, options?: ErrorOptions) {
    const found: Entry<ErrorDetails<C>> = errorTable[code];
    super(found.message(details), options);
    this.code = code;
    this.details = details;
    Object.defineProperty(this, brand, { value: true });
    this.hint = typeof found.hint === 'function' ? found.hint(details) : found.hint;
  }

  /** True for a WgraftError of this or another copy of the package, with this code if one is given. */
  static is<K extends ErrorCode = ErrorCode>(error: unknown, code?: K): error is WgraftError<K> {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return code === undefined || ('code' in error && error.code === code);
  }

  /** The process exit code that belongs to this error. */
  get exitCode(): number {
    return exitCodes[errorTable[this.code].exit];
  }

  toJSON(): ErrorJson {
    const { code, message, hint } = this;
    return {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      details: this.details as Record<string, unknown>,
    };
  }

  /** Makes the error that `toJSON` wrote, or WGRAFT_ERR_INTERNAL where it is not one of this version's. */
  static from(json: unknown): WgraftError {
    const known = (typeof json === 'object' && json !== null ? json : {}) as Partial<ErrorJson>;
    if (known.code !== undefined && Object.hasOwn(errorTable, known.code)) {
      try {
        return new WgraftError(known.code, (known.details ?? {}) as ErrorDetails<ErrorCode>);
      } catch {
        // Details of another version, which this version's message builder cannot read.
      }
    }
    return new WgraftError('WGRAFT_ERR_INTERNAL', {
      what: known.message ?? 'unknown error from the other side',
    });
  }
}

/** All codes, for tests and docs. */
export const errorCodes: readonly ErrorCode[] = Object.keys(errorTable) as ErrorCode[];

/** What a system error says to a person, without the call and the path, which the message around it names. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!('code' in error) || typeof error.code !== 'string') return error.message;
  return systemReasons[error.code] ?? error.code;
}

const systemReasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'the address is in use',
  ECONNREFUSED: 'no process listens there',
  ECONNRESET: 'the connection was reset',
  EEXIST: 'something else is there already',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links go round in a circle',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space is left',
  ENOTDIR: 'part of the path is not a folder',
  EPERM: 'not permitted',
  EPIPE: 'the connection was closed',
  EROFS: 'the file system is read-only',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
};
