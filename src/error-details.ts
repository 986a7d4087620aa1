// What the details of each error hold: JSON-safe, for programs. error-table.ts says what is made of them for people; the
// compiler holds the two to the same codes.

/** Of modules and patches, and what is prepared. */
interface FileErrors {
  // --- the binary format ---
  WGRAFT_ERR_WASM_MALFORMED: { what: string; offset: number };
  WGRAFT_ERR_WASM_INVALID: { what: string; reason: string };
  // --- prepared modules ---
  WGRAFT_ERR_NOT_PREPARED: { what: string };
  WGRAFT_ERR_ALREADY_PREPARED: { tool: string };
  WGRAFT_ERR_FENTRY_UNUSABLE: { name: string; reason: string };
  WGRAFT_ERR_NAME_RESERVED: { name: string };
  WGRAFT_ERR_ENGINE_UNSUITABLE: { engine: string; reason: string };
  WGRAFT_ERR_LIMIT_EXCEEDED: { what: string; count: number; limit: number };
  WGRAFT_ERR_SLOT_MAP_VERSION: { found: number; known: number };
  // --- patches ---
  WGRAFT_ERR_NOT_A_PATCH: { reason: string };
  WGRAFT_ERR_BUILD_ID_MISMATCH: {
    expected: string;
    found: readonly string[];
    /** Functions to be replaced that are other ones in the program found. */
    functions?: readonly string[];
  };
  WGRAFT_ERR_FUNCTION_MISMATCH: {
    function: string;
    what: 'body' | 'type' | 'slot';
    expected: string;
    found: string;
  };
  WGRAFT_ERR_PATCH_APPLIED: { patch: string };
  WGRAFT_ERR_PATCH_UNKNOWN: { patch?: string; applied: readonly string[] };
  WGRAFT_ERR_STAGE_FAILED: { patch: string; instance: number; reason: string };
}

/** Of building a patch. */
export interface BuildErrors {
  WGRAFT_ERR_OPTION_INVALID: { option: string; reason: string };
  WGRAFT_ERR_FUNCTION_UNKNOWN: { function: string; near: readonly string[] };
  WGRAFT_ERR_FUNCTION_AMBIGUOUS: {
    function: string;
    candidates: readonly { reference: string; index: number }[];
  };
  WGRAFT_ERR_SLOT_MISSING: { function: string; reason: string; remedy: string };
  WGRAFT_ERR_SIGNATURE_CHANGED: { function: string; expected: string; found: string; file: string };
  WGRAFT_ERR_REPLACEMENT_MISSING: {
    function: string;
    file: string;
    language: 'wat' | 'c';
    found: readonly string[];
  };
  WGRAFT_ERR_SOURCE_INVALID: { file: string; errors: string };
  WGRAFT_ERR_SOURCE_UNSUPPORTED: { file: string; what: string; remedy?: string };
  WGRAFT_ERR_IMPORT_UNRESOLVED: { import: string; file: string; reason: string; remedy?: string };
  /** `owner`: who has it; the program, if it is not said. */
  WGRAFT_ERR_IMPORT_TYPE: {
    import: string;
    file: string;
    expected: string;
    found: string;
    owner?: 'runtime';
  };
  WGRAFT_ERR_IMPORT_NOT_ALLOWED: { import: string; file: string };
  WGRAFT_ERR_COMPILER_MISSING: { package: string };
  WGRAFT_ERR_SYMBOLS_MISSING: { symbols: readonly string[]; file: string };
  /** `exports`: new ones, where they are the only change. */
  WGRAFT_ERR_NOTHING_CHANGED: { lines: number; exports?: readonly string[] };
  WGRAFT_ERR_DATA_CHANGED: { symbol: string; how: 'size' | 'value'; old: number; new: number };
  /** `fields`: what changed, in words; `others`: further structs whose layout changed. */
  WGRAFT_ERR_LAYOUT_CHANGED: { struct: string; fields: readonly string[]; others: readonly string[] };
  /** `offsets`: of fields in the old build, which are `distance` bytes further on in the new one. */
  WGRAFT_ERR_LAYOUT_SUSPECTED: {
    functions: readonly string[];
    offsets: readonly number[];
    distance: number;
  };
  WGRAFT_ERR_CONSTANT_REPLACED: {
    function: string;
    constants: readonly string[];
    variables: readonly string[];
  };
  WGRAFT_ERR_START_CODE_CHANGED: { function: string };
  WGRAFT_ERR_EXPORT_CHANGED: { export: string; old: string; new: string };
  WGRAFT_ERR_NOT_REACHABLE: { function: string };
  WGRAFT_ERR_SYMBOL_AMBIGUOUS: { symbol: string };
  WGRAFT_ERR_SYMBOLS_UNSUITABLE: { reason: string };
  /** `function`: the one that it is about, where it is about one. */
  WGRAFT_ERR_ADDRESS_UNKNOWN: { reason: string; function?: string };
  WGRAFT_ERR_NO_ALLOCATOR: { sizeBytes: number; reason: string };
}

/** Of live programs. */
export interface LiveErrors {
  // --- transitions ---
  WGRAFT_ERR_TRANSITION_RUNS: { program: string; patch: string };
  WGRAFT_ERR_TRANSITION_STALLED: {
    program: string;
    patch: string;
    done: number;
    total: number;
    functions: readonly string[];
    /** Where no function is what they wait for. */
    reason?: string;
  };
  WGRAFT_ERR_TRANSITION_REVERSED: { program: string; patch: string; doing: 'apply' | 'revert' };
  WGRAFT_ERR_TRANSITION_EXPIRED: {
    program: string;
    patch: string;
    done: number;
    total: number;
    deadlineMs: number;
    functions: readonly string[];
    /** Where no function is what they wait for. */
    reason?: string;
  };
  WGRAFT_ERR_TRANSITION_CONFLICTS: {
    program: string;
    patch: string;
    attempts: number;
    conflicts: readonly { instance: number; functions: readonly string[]; thread?: number }[];
  };
  WGRAFT_ERR_FORCE_UNCONFIRMED: { program: string; blocking: number };
  WGRAFT_ERR_NO_TRANSITION: Record<string, never>;
  WGRAFT_ERR_MODEL_UNSUPPORTED: { model: string; program: string; reason: string };
  WGRAFT_ERR_PATCH_REFUSED: { patch: string; instance: number; reason: string };
  WGRAFT_ERR_STATE_INCOMPATIBLE: {
    patch: string;
    program: string;
    id: number;
    version: number | undefined;
    installed: number;
  };
  WGRAFT_ERR_ORIGINAL_PATCHED: {
    patch: string;
    /**
     * What it does with `functions`: calls their originals, brings these along, or hides those that another brought along; calls them
     * without coming by the program's table, where another replaces them, or the other way round.
     */
    does: 'calls' | 'brings' | 'hides' | 'bypasses' | 'bypassed';
    functions: readonly string[];
    below: readonly string[];
  };
  WGRAFT_ERR_GROUP_FULL: { limit: number };
  WGRAFT_ERR_INSTANCE_ACTIVE: { program: string; instance: number; functions: readonly string[] };
  // --- the control socket ---
  WGRAFT_ERR_CONTROL_NAME: { name: string };
  WGRAFT_ERR_CONTROL_FOLDER: { folder: string; reason: string };
  WGRAFT_ERR_CONTROL_PATH: { path: string; sizeBytes: number; limitBytes: number };
  WGRAFT_ERR_CONTROL_LISTEN: { path: string; reason: string };
  WGRAFT_ERR_CONTROL_UNREACHABLE: { target: string; reason: string };
  WGRAFT_ERR_CONTROL_LOST: { target: string; during: string; known: string };
  WGRAFT_ERR_CONTROL_BUSY: { target: string; during: string; waitedMs: number };
  WGRAFT_ERR_PROTOCOL: { reason: string };
  WGRAFT_ERR_PATCH_TOO_LARGE: { sizeBytes: number; limitBytes: number };
  WGRAFT_ERR_TARGET_NONE: { folder: string };
  WGRAFT_ERR_TARGET_UNKNOWN: { target: string; candidates: readonly string[] };
  WGRAFT_ERR_TARGET_AMBIGUOUS: { target: string | undefined; candidates: readonly string[] };
  // --- wgraft run ---
  WGRAFT_ERR_NOT_A_COMMAND: { program: string; reason: string };
  WGRAFT_ERR_IMPORTS_UNKNOWN: { program: string; imports: readonly string[] };
  WGRAFT_ERR_PREOPEN: { guest: string; host: string; reason: string };
  WGRAFT_ERR_PROGRAM_TRAPPED: { program: string; reason: string; stack: readonly string[] };
  WGRAFT_ERR_PROGRAM_ENDED: { program: string; how: string };
  // --- the register hook ---
  WGRAFT_ERR_CONFIG_INVALID: { file: string; reason: string };
}

/** Of the command line. */
interface CommandErrors {
  WGRAFT_ERR_USAGE: { what: string; command?: string };
  /** `work`: the folder where everything built so far is. */
  WGRAFT_ERR_STEP_FAILED: { step: string; command: string; reason: string; output: string; work: string };
  WGRAFT_ERR_FILE: { file: string; doing: 'read' | 'write'; reason: string };
  WGRAFT_ERR_INTERRUPTED: { doing: string; state: string };
  WGRAFT_ERR_INTERNAL: { what: string };
}

export interface ErrorDetailsByCode extends FileErrors, BuildErrors, LiveErrors, CommandErrors {}

export type ErrorCode = keyof ErrorDetailsByCode;
export type ErrorDetails<C extends ErrorCode> = ErrorDetailsByCode[C];
