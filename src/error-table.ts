// Every error code: what its message says, what to do next, which exit code it gives. A code, once released, never changes
// its meaning. What its details hold is in error-details.ts; the class that carries them in errors.ts.

import type { ErrorDetailsByCode } from './error-details.ts';
import type { Entries } from './error-entry.ts';
import { buildErrors } from './error-table-build.ts';
import { liveErrors } from './error-table-live.ts';

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** For each code its message, its hint (what to do next) and its exit code. */
export const errorTable: Entries<ErrorDetailsByCode> = {
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

  ...buildErrors,
  ...liveErrors,

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
