// The part of the error table that is about live programs: transitions, the control socket, `wgraft run`, the register hook.

import type { LiveErrors } from './error-details.ts';
import type { Entries } from './error-entry.ts';
import { originalPatched } from './error-phrases.ts';

export const liveErrors: Entries<LiveErrors> = {
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
    message: (d) =>
      `patch "${d.patch}" is ${d.doing === 'apply' ? 'not' : 'still'} on "${d.program}": the transition was reversed`,
    hint: (d) =>
      `somebody ${d.doing === 'apply' ? 'reverted it while it was being applied' : 'applied it again while it was being reverted'}; wgraft status shows what is applied`,
    exit: 'failed',
  },
  WGRAFT_ERR_TRANSITION_EXPIRED: {
    message: (d) =>
      `patch "${d.patch}" was taken back: after ${(d.deadlineMs / 1000).toFixed(1)}s ` +
      (d.reason !== undefined
        ? d.reason
        : `${d.total - d.done} of ${d.total} instances still ran ` +
          (d.functions.length === 0 ? 'changed functions' : d.functions.map((f) => `"${f}"`).join(', '))),
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
  WGRAFT_ERR_ORIGINAL_PATCHED: {
    message: originalPatched,
    hint: (d) =>
      d.does === 'calls'
        ? 'revert what is below first and apply it on top again, or make one patch of both'
        : 'make one patch of both fixes; a cumulative one takes the place of those that are on',
    exit: 'notPatchable',
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
    hint: (d) =>
      `start one with \`wgraft run\` or \`node --import wgraft/register\`, or call listen() in yours; looked in ${d.folder}`,
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
};
