// Every error that wgraft throws: one class, one table. A code, once released, never changes its meaning.
// Callers match on `code`; WgraftError.is() also knows errors of a second copy of the package.

const brand = Symbol.for('wgraft.error');

/** Exit codes of the command line, in the order in which `wgraft --help` prints them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  nothingToDo: 3,
  notPatchable: 4,
  stalled: 5,
  unreachable: 6,
  internal: 70,
} as const;

interface Entry<Details> {
  readonly message: (details: Details) => string;
  readonly hint?: string | ((details: Details) => string | undefined);
  readonly exit: keyof typeof exitCodes;
}

const entry = <Details>(e: Entry<Details>): Entry<Details> => e;
const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** What each code's details hold, what its message says, what its hint says to do next. */
const table = {
  // --- the binary format ---
  WGRAFT_ERR_WASM_MALFORMED: entry<{ what: string; offset: number }>({
    message: (d) => `${d.what} (at offset ${hex(d.offset)})`,
    hint: 'the file is truncated, damaged or not a core WebAssembly module',
    exit: 'notPatchable',
  }),
  WGRAFT_ERR_WASM_INVALID: entry<{ what: string; reason: string }>({
    message: (d) => `${d.what} is not valid WebAssembly: ${d.reason}`,
    hint: 'it must validate in this version of Node before wgraft can work with it',
    exit: 'notPatchable',
  }),
  // --- prepared modules ---
  WGRAFT_ERR_NOT_PREPARED: entry<{ what: string }>({
    message: (d) => `${d.what} is not a prepared module`,
    hint: 'prepare it first: wgraft prepare IN.wasm -o OUT.wasm',
    exit: 'notPatchable',
  }),
  WGRAFT_ERR_ALREADY_PREPARED: entry<{ tool: string }>({
    message: (d) => `the module is already prepared (by ${d.tool})`,
    hint: 'prepare the original module instead',
    exit: 'nothingToDo',
  }),
  WGRAFT_ERR_SLOT_MAP_VERSION: entry<{ found: number; known: number }>({
    message: (d) => `the slot map has version ${d.found}, this wgraft reads version ${d.known}`,
    hint: 'prepare the module again with this version of wgraft',
    exit: 'notPatchable',
  }),

  // --- patches ---
  WGRAFT_ERR_NOT_A_PATCH: entry<{ reason: string }>({
    message: (d) => `not a wgraft patch: ${d.reason}`,
    hint: 'make one with: wgraft build --target PREPARED.wasm --replace NAME=fix.wat -o FIX.wgp',
    exit: 'notPatchable',
  }),
  WGRAFT_ERR_BUILD_ID_MISMATCH: entry<{ expected: string; found: readonly string[] }>({
    message: (d) =>
      `the patch is for build ${d.expected.slice(0, 12)}, ` +
      (d.found.length === 0
        ? 'no program runs here'
        : `here runs ${d.found.map((f) => f.slice(0, 12)).join(', ')}`),
    hint: 'build the patch against the prepared module that runs (wgraft inspect shows build ids)',
    exit: 'notPatchable',
  }),
  WGRAFT_ERR_FUNCTION_MISMATCH: entry<{
    function: string;
    what: 'body' | 'type' | 'slot';
    expected: string;
    found: string;
  }>({
    message: (d) => `the running ${d.what} of "${d.function}" is not the one that the patch was built from`,
    hint: 'build the patch against the prepared module that runs',
    exit: 'notPatchable',
  }),
  WGRAFT_ERR_PATCH_APPLIED: entry<{ patch: string }>({
    message: (d) => `patch "${d.patch}" is already applied`,
    exit: 'nothingToDo',
  }),
  WGRAFT_ERR_PATCH_UNKNOWN: entry<{ patch: string; applied: readonly string[] }>({
    message: (d) => `no patch "${d.patch}" is applied`,
    hint: (d) => (d.applied.length === 0 ? 'nothing is applied' : `applied: ${d.applied.join(', ')}`),
    exit: 'nothingToDo',
  }),
  WGRAFT_ERR_STAGE_FAILED: entry<{ patch: string; instance: number; reason: string }>({
    message: (d) => `patch "${d.patch}" cannot be staged in instance ${d.instance}: ${d.reason}`,
    hint: 'nothing was changed',
    exit: 'failed',
  }),

  // --- transitions ---
  WGRAFT_ERR_TRANSITION_RUNS: entry<{ program: string; patch: string }>({
    message: (d) => `"${d.program}" is still in the transition of patch "${d.patch}"`,
    hint: 'wait for it (wgraft status -w), or reverse it (wgraft revert)',
    exit: 'failed',
  }),
  WGRAFT_ERR_TRANSITION_STALLED: entry<{
    program: string;
    patch: string;
    done: number;
    total: number;
    functions: readonly string[];
  }>({
    message: (d) =>
      `transition stalled: ${d.total - d.done} of ${d.total} instances still run ` +
      (d.functions.length === 0 ? 'changed functions' : d.functions.map((f) => `"${f}"`).join(', ')),
    hint: 'wait with `wgraft status -w`, undo with `wgraft revert`, see who blocks with `wgraft blocking -v`',
    exit: 'stalled',
  }),
  WGRAFT_ERR_INTERNAL: entry<{ what: string }>({
    message: (d) => `internal error: ${d.what}`,
    hint: 'please report this with the module that caused it',
    exit: 'internal',
  }),
} as const;

export type ErrorCode = keyof typeof table;
export type ErrorDetails<C extends ErrorCode> = (typeof table)[C] extends Entry<infer D> ? D : never;

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
  readonly [brand] = true;

  constructor(code: C, details: ErrorDetails<C>, options?: ErrorOptions) {
    // The table's type ties code and details together; TypeScript cannot see that through an index by a generic key.
    const found = table[code] as unknown as Entry<ErrorDetails<C>>;
    super(found.message(details), options);
    this.code = code;
    this.details = details;
    this.hint = typeof found.hint === 'function' ? found.hint(details) : found.hint;
  }

  /** True for a WgraftError of this or another copy of the package, with this code if one is given. */
  static is<K extends ErrorCode = ErrorCode>(error: unknown, code?: K): error is WgraftError<K> {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return code === undefined || ('code' in error && error.code === code);
  }

  /** The process exit code that belongs to this error. */
  get exitCode(): number {
    return exitCodes[table[this.code].exit];
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
    if (known.code !== undefined && Object.hasOwn(table, known.code)) {
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
export const errorCodes: readonly ErrorCode[] = Object.keys(table) as ErrorCode[];
