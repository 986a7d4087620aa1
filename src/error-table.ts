// Every error code: what its message says, what to do next, which exit code it gives. A code, once released, never changes
// its meaning. What its details hold is in error-details.ts; the class that carries them in errors.ts.

import type { ErrorCode, ErrorDetails } from './error-details.ts';
import {
  constantHint,
  constantReplaced,
  layoutChanged,
  layoutHint,
  layoutSuspected,
  suspectedHint,
} from './error-phrases.ts';

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
  interrupted: 130,
} as const;

export interface Entry<Details> {
  readonly message: (details: Details) => string;
  readonly hint?: string | ((details: Details) => string | undefined);
  readonly exit: keyof typeof exitCodes;
}

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** For each code its message, its hint (what to do next) and its exit code. */
export const errorTable: { readonly [C in ErrorCode]: Entry<ErrorDetails<C>> } = {
  // --- the binary format ---
  WGRAFT_ERR_WASM_MALFORMED: {
    message: (d) => `${d.what} (at offset ${hex(d.offset)})`,
    hint: 'the file is truncated, damaged or not a core WebAssembly module',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_WASM_INVALID: {
    message: (d) => `${d.what} is not valid WebAssembly: ${d.reason}`,
    hint: 'it must validate in this version of Node before wgraft can work with it',
    exit: 'notPatchable',
  },
  // --- prepared modules ---
  WGRAFT_ERR_NOT_PREPARED: {
    message: (d) => `${d.what} is not a prepared module`,
    hint: 'prepare it first: wgraft prepare IN.wasm -o OUT.wasm',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_ALREADY_PREPARED: {
    message: (d) => `the module is already prepared (by ${d.tool})`,
    hint: 'prepare the original module instead',
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_FENTRY_UNUSABLE: {
    message: (d) => `"${d.name}" cannot be taken as the kernel's fentry hook: ${d.reason}`,
    hint: 'name the hook with --fentry, or prepare without one',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NAME_RESERVED: {
    message: (d) => `the module exports "${d.name}"; names that start with __wgraft_ are reserved`,
    hint: 'it looks like a patch, or a prepared module that lost its slot map; prepare the original module',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_ENGINE_UNSUITABLE: {
    message: (d) => `the ${d.engine} engine cannot prepare this module: ${d.reason}`,
    hint: 'use --engine splice',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_LIMIT_EXCEEDED: {
    message: (d) => `the prepared module would have ${d.count} ${d.what}, engines take at most ${d.limit}`,
    hint: (d) =>
      d.what === 'functions' || d.what === 'globals'
        ? 'give slots to fewer functions: --slots entry'
        : undefined,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SLOT_MAP_VERSION: {
    message: (d) => `the slot map has version ${d.found}, this wgraft reads version ${d.known}`,
    hint: 'prepare the module again with this version of wgraft',
    exit: 'notPatchable',
  },

  // --- patches ---
  WGRAFT_ERR_NOT_A_PATCH: {
    message: (d) => `not a wgraft patch: ${d.reason}`,
    hint: 'make one with: wgraft build --target PREPARED.wasm --replace NAME=fix.wat -o FIX.wgp',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_BUILD_ID_MISMATCH: {
    message: (d) =>
      `the patch is for build ${d.expected.slice(0, 12)}, ` +
      (d.found.length === 0
        ? 'no program runs here'
        : `not for ${d.found.map((f) => f.slice(0, 12)).join(', ')}`) +
      ((d.functions?.length ?? 0) === 0
        ? ''
        : `, where ${d.functions?.map((f) => `"${f}"`).join(', ')} differs`),
    hint: 'build the patch against the prepared module that runs (wgraft inspect shows build ids)',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_FUNCTION_MISMATCH: {
    message: (d) => `the running ${d.what} of "${d.function}" is not the one that the patch was built from`,
    hint: 'build the patch against the prepared module that runs',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_PATCH_APPLIED: {
    message: (d) => `patch "${d.patch}" is already applied`,
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_PATCH_UNKNOWN: {
    message: (d) => (d.patch === undefined ? 'no patch is applied' : `no patch "${d.patch}" is applied`),
    hint: (d) => (d.applied.length === 0 ? undefined : `applied: ${d.applied.join(', ')}`),
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_STAGE_FAILED: {
    message: (d) => `patch "${d.patch}" cannot be staged in instance ${d.instance}: ${d.reason}`,
    hint: 'nothing was changed',
    exit: 'failed',
  },

  // --- building a patch ---
  WGRAFT_ERR_OPTION_INVALID: {
    message: (d) => `invalid ${d.option}: ${d.reason}`,
    exit: 'usage',
  },
  WGRAFT_ERR_FUNCTION_UNKNOWN: {
    message: (d) => `the program has no function "${d.function}"`,
    hint: (d) =>
      d.near.length === 0
        ? 'name it as `wgraft inspect -v` does, or by its index: #INDEX'
        : `did you mean ${d.near.map((n) => `"${n}"`).join(' or ')}?`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_FUNCTION_AMBIGUOUS: {
    message: (d) => `the program has ${d.candidates.length} functions "${d.function}"`,
    hint: (d) => `say which: ${d.candidates.map((c) => `"${c.reference}" (#${c.index})`).join(', ')}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SLOT_MISSING: {
    message: (d) => `"${d.function}" has no slot: ${d.reason}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SIGNATURE_CHANGED: {
    message: (d) => `the replacement of "${d.function}" in ${d.file} has type ${d.found}, not ${d.expected}`,
    hint: 'a replacement has exactly the type of the function that it replaces',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_REPLACEMENT_MISSING: {
    message: (d) => `${d.file} has no function that replaces "${d.function}"`,
    hint: (d) =>
      (d.found.length === 0 ? '' : `it defines ${d.found.join(', ')}; `) +
      'name or export the replacement like the function that it replaces' +
      (d.language === 'c' ? '; in C it must not be static' : ''),
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SOURCE_INVALID: {
    message: (d) => `${d.file} does not compile:\n${d.errors}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SOURCE_UNSUPPORTED: {
    message: (d) => `${d.file} cannot become a patch: ${d.what}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_UNRESOLVED: {
    message: (d) => `import ${d.import} of ${d.file} cannot be resolved: ${d.reason}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_TYPE: {
    message: (d) =>
      `import ${d.import} of ${d.file} is declared ${d.found}, the ${d.owner ?? 'program'} has ${d.expected}`,
    hint: (d) => `declare it as the ${d.owner ?? 'program'} has it`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_NOT_ALLOWED: {
    message: (d) => `${d.file} imports "${d.import}", which the program does not import`,
    hint: (d) =>
      `what the program itself has is imported from "target"; if the host is to give it to the patch, allow it by name: --allow-import ${d.import}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_COMPILER_MISSING: {
    message: (d) => `C sources need ${d.package}, which is not installed`,
    hint: (d) => `npm install --save-dev ${d.package}`,
    exit: 'failed',
  },
  WGRAFT_ERR_SYMBOLS_MISSING: {
    message: (d) =>
      `${d.file} uses the program's data ${d.symbols.map((s) => `"${s}"`).join(', ')}, whose addresses are not known`,
    hint: 'give the original build, linked with --emit-relocs: its symbol table has the addresses (--symbols ORIGINAL.wasm)',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NOTHING_CHANGED: {
    message: (d) =>
      d.exports !== undefined
        ? `the new build has more exports, which a running instance cannot gain, and no other change: ${d.exports.join(', ')}`
        : d.lines === 0
          ? 'the two builds do the same: no function and no data changed'
          : `only line numbers of assertions changed (in ${d.lines} functions)`,
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_DATA_CHANGED: {
    message: (d) =>
      d.how === 'size'
        ? `the variable "${d.symbol}" has another size: ${d.old} bytes became ${d.new}`
        : `the variable "${d.symbol}" starts with another value in the new build; the running program keeps what it has`,
    hint: (d) =>
      d.how === 'size'
        ? 'a running program keeps its variables: make the fix without changing this one, or restart'
        : 'if the running value may stay, or a callback of the patch sets it: --keep-data NAME (or --keep-data all)',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_LAYOUT_CHANGED: { message: layoutChanged, hint: layoutHint, exit: 'notPatchable' },
  WGRAFT_ERR_LAYOUT_SUSPECTED: { message: layoutSuspected, hint: suspectedHint, exit: 'notPatchable' },
  WGRAFT_ERR_CONSTANT_REPLACED: { message: constantReplaced, hint: constantHint, exit: 'notPatchable' },
  WGRAFT_ERR_START_CODE_CHANGED: {
    message: (d) => `"${d.function}" changed, which runs only when a program starts`,
    hint: 'a running program has started already: this change needs a restart',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_EXPORT_CHANGED: {
    message: (d) => `the export "${d.export}" is "${d.new}" in the new build, "${d.old}" in the old one`,
    hint: 'the host holds the function that it got: keep the name, or replace what the old function does',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NOT_REACHABLE: {
    message: (d) => `"${d.function}" changed and has no slot, but its address is taken or it is exported`,
    hint: 'prepare the program with --slots all, or build it without no_instrument_function on this function',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SYMBOL_AMBIGUOUS: {
    message: (d) => `the builds have several things called "${d.symbol}", and which is which cannot be told`,
    hint: 'give static functions and variables that share a name different names, in both builds',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SYMBOLS_UNSUITABLE: {
    message: (d) => `the symbols do not fit the target: ${d.reason}`,
    hint: 'they must be the very module that was prepared, linked with --emit-relocs',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_ADDRESS_UNKNOWN: {
    message: (d) =>
      `the builds have no relocations, and ${d.function === undefined ? '' : `in "${d.function}" `}${d.reason}`,
    hint: 'link both builds with -Wl,--emit-relocs (Rust: -C link-arg=--emit-relocs) and keep wasm-opt and strip away from them: then every address has a name',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NO_ALLOCATOR: {
    message: (d) =>
      `${d.sizeBytes === 0 ? 'shadow variables need room in' : `the patch needs ${d.sizeBytes} bytes of`} the program's memory, and nothing says where they can safely be: ${d.reason}`,
    hint: 'if you know: --allocator malloc=NAME, --allocator malloc=#INDEX or --allocator grow',
    exit: 'notPatchable',
  },

  // --- transitions ---
  WGRAFT_ERR_TRANSITION_RUNS: {
    message: (d) => `"${d.program}" is still in the transition of patch "${d.patch}"`,
    hint: 'wait for it (wgraft status -w), or reverse it (wgraft revert)',
    exit: 'failed',
  },
  WGRAFT_ERR_TRANSITION_STALLED: {
    message: (d) =>
      d.reason !== undefined
        ? `transition stalled: ${d.reason}`
        : `transition stalled: ${d.total - d.done} of ${d.total} instances still run ` +
          (d.functions.length === 0 ? 'changed functions' : d.functions.map((f) => `"${f}"`).join(', ')),
    hint: 'wait with `wgraft status -w`, undo with `wgraft revert`, see who blocks with `wgraft blocking -v`',
    exit: 'stalled',
  },

  WGRAFT_ERR_TRANSITION_REVERSED: {
    message: (d) => `patch "${d.patch}" is not on "${d.program}": the transition was reversed`,
    hint: 'somebody reverted it while it was being applied; wgraft status shows what is applied',
    exit: 'failed',
  },
  WGRAFT_ERR_TRANSITION_EXPIRED: {
    message: (d) =>
      `patch "${d.patch}" was taken back: after ${(d.deadlineMs / 1000).toFixed(1)}s ${d.total - d.done} of ${d.total} instances ` +
      `still ran ${d.functions.length === 0 ? 'changed functions' : d.functions.map((f) => `"${f}"`).join(', ')}` +
      (d.reason === undefined ? '' : `: ${d.reason}`),
    hint: 'give it more time with --deadline (0: for ever), or complete it with `wgraft force` while it runs',
    exit: 'stalled',
  },
  WGRAFT_ERR_TRANSITION_CONFLICTS: {
    message: (d) =>
      `patch "${d.patch}" could not switch all instances at once in ${d.attempts} attempts: ` +
      d.conflicts
        .map(
          (c) =>
            `instance ${c.instance}${c.thread === undefined ? '' : ` of thread ${c.thread}`} ran ${c.functions.length === 0 ? 'something' : c.functions.join(', ')}`,
        )
        .join('; '),
    hint: 'nothing was changed; a model that switches one instance after another (hybrid) waits for each by itself',
    exit: 'stalled',
  },
  WGRAFT_ERR_FORCE_UNCONFIRMED: {
    message: (d) => `nothing was forced in ${d.program}; instances in the way: ${d.blocking}`,
    hint: '--yes forces them: old code that is active will meet new code; wgraft force --help says what that can break',
    exit: 'usage',
  },
  WGRAFT_ERR_NO_TRANSITION: {
    message: () => 'no transition runs',
    hint: 'wgraft status shows what is applied',
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_MODEL_UNSUPPORTED: {
    message: (d) => `"${d.program}" cannot be patched with the model ${d.model}: ${d.reason}`,
    hint: 'hybrid waits until nothing of the program runs where its stacks cannot be trusted',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_PATCH_REFUSED: {
    message: (d) =>
      `the pre_patch callback of "${d.patch}" refused it in instance ${d.instance}: ${d.reason}`,
    hint: 'nothing was changed',
    exit: 'failed',
  },
  WGRAFT_ERR_STATE_INCOMPATIBLE: {
    message: (d) =>
      `patch "${d.patch}" is not compatible with what is on "${d.program}": system state ${d.id} has version ${d.installed} ` +
      `there, and ${d.version === undefined ? 'the patch, which is cumulative, does not know it' : `version ${d.version} in the patch`}`,
    hint: 'apply a patch that knows this state in the same or a later version, or revert what is on first',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_GROUP_FULL: {
    message: (d) => `the group has ${d.limit} threads already`,
    hint: 'give it room for more: new ThreadGroup({ maxThreads })',
    exit: 'failed',
  },
  WGRAFT_ERR_INSTANCE_ACTIVE: {
    message: (d) =>
      `instance ${d.instance} of "${d.program}" still runs ${d.functions.join(', ') || 'something'}`,
    hint: 'release it when nothing of it runs',
    exit: 'failed',
  },

  // --- the control socket ---
  WGRAFT_ERR_CONTROL_NAME: {
    message: (d) => `"${d.name}" cannot name a program on a control socket`,
    hint: 'a name is 1 to 64 of the characters A-Z a-z 0-9 . _ - and starts with a letter or digit',
    exit: 'usage',
  },
  WGRAFT_ERR_CONTROL_FOLDER: {
    message: (d) => `the socket folder ${d.folder} cannot be used: ${d.reason}`,
    hint: 'name another folder, mode 0700 and your own, with WGRAFT_SOCKET_DIR',
    exit: 'failed',
  },
  WGRAFT_ERR_CONTROL_PATH: {
    message: (d) => `the socket path ${d.path} has ${d.sizeBytes} bytes, the system allows ${d.limitBytes}`,
    hint: 'name a shorter folder with WGRAFT_SOCKET_DIR, or a shorter program name',
    exit: 'usage',
  },
  WGRAFT_ERR_CONTROL_LISTEN: {
    message: (d) => `cannot listen on ${d.path}: ${d.reason}`,
    exit: 'failed',
  },
  WGRAFT_ERR_CONTROL_UNREACHABLE: {
    message: (d) => `${d.target} cannot be reached: ${d.reason}`,
    hint: 'see what runs with `wgraft ps`',
    exit: 'unreachable',
  },
  WGRAFT_ERR_CONTROL_LOST: {
    message: (d) => `${d.target} went away during ${d.during}: ${d.known}`,
    hint: 'see whether it still runs with `wgraft ps`; what was applied to a program ends with it',
    exit: 'unreachable',
  },
  WGRAFT_ERR_CONTROL_BUSY: {
    message: (d) => `${d.target} is busy: no reply to ${d.during} in ${d.waitedMs / 1000}s`,
    hint: (d) =>
      d.during === 'hello'
        ? 'nothing was asked of it; try again, or wait longer with --timeout'
        : `it may still carry out the ${d.during} when its call returns; look with \`wgraft status\``,
    exit: 'stalled',
  },
  WGRAFT_ERR_PROTOCOL: {
    message: (d) => `control protocol: ${d.reason}`,
    hint: 'use the wgraft version that the program runs with (wgraft ps shows it)',
    exit: 'unreachable',
  },
  WGRAFT_ERR_PATCH_TOO_LARGE: {
    message: (d) => `the patch has ${d.sizeBytes} bytes, the limit is ${d.limitBytes}`,
    hint: 'is it a patch? wgraft inspect FILE says what a file is',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_TARGET_NONE: {
    message: () => 'no live program found',
    hint: (d) => `start one with \`wgraft run\`, or call listen() in yours; looked in ${d.folder}`,
    exit: 'unreachable',
  },
  WGRAFT_ERR_TARGET_UNKNOWN: {
    message: (d) => `no live program "${d.target}"`,
    hint: (d) =>
      d.candidates.length === 0 ? 'nothing runs that wgraft can see' : `found: ${d.candidates.join(', ')}`,
    exit: 'unreachable',
  },
  WGRAFT_ERR_TARGET_AMBIGUOUS: {
    message: (d) =>
      d.target === undefined
        ? `${d.candidates.length} live programs: ${d.candidates.join(', ')}`
        : `${d.candidates.length} live programs are called "${d.target}": ${d.candidates.join(', ')}`,
    hint: 'name one by its pid',
    exit: 'usage',
  },

  // --- wgraft run ---
  WGRAFT_ERR_NOT_A_COMMAND: {
    message: (d) => `"${d.program}" is not a WASI command: ${d.reason}`,
    hint: 'wgraft run takes WASI preview 1 commands; load other modules from JavaScript with instantiate()',
    exit: 'usage',
  },
  WGRAFT_ERR_IMPORTS_UNKNOWN: {
    message: (d) => `"${d.program}" needs imports that wgraft run cannot give: ${d.imports.join(', ')}`,
    hint: 'it gives wasi_snapshot_preview1; give others from JavaScript with instantiate()',
    exit: 'usage',
  },
  WGRAFT_ERR_PREOPEN: {
    message: (d) => `cannot give the program ${d.host} as ${d.guest}: ${d.reason}`,
    exit: 'usage',
  },
  WGRAFT_ERR_PROGRAM_TRAPPED: {
    message: (d) => `"${d.program}" trapped: ${d.reason}`,
    exit: 'failed',
  },
  WGRAFT_ERR_PROGRAM_ENDED: {
    message: (d) => `"${d.program}" has ended: ${d.how}`,
    hint: 'what was applied to it ended with it',
    exit: 'unreachable',
  },

  WGRAFT_ERR_CONFIG_INVALID: { message: (d) => `${d.file}: ${d.reason}`, exit: 'usage' },

  // --- the command line ---
  WGRAFT_ERR_USAGE: {
    message: (d) => d.what,
    hint: (d) => `see \`wgraft ${d.command === undefined ? '' : `${d.command} `}--help\``,
    exit: 'usage',
  },
  WGRAFT_ERR_STEP_FAILED: {
    message: (d) => `cannot ${d.step}: \`${d.command}\` ${d.reason}${d.output === '' ? '' : `\n${d.output}`}`,
    hint: (d) => `what was built so far is in ${d.work}; --work ${d.work} goes on from there`,
    exit: 'failed',
  },
  WGRAFT_ERR_FILE: {
    message: (d) => `cannot ${d.doing} ${d.file}: ${d.reason}`,
    exit: 'failed',
  },
  WGRAFT_ERR_INTERRUPTED: {
    message: (d) => `stopped waiting for the ${d.doing}: ${d.state}`,
    hint: 'watch with `wgraft status -w`, undo with `wgraft revert`',
    exit: 'interrupted',
  },
  WGRAFT_ERR_INTERNAL: {
    message: (d) => `internal error: ${d.what}`,
    hint: 'please report this with the module that caused it',
    exit: 'internal',
  },
};
