// The command line as a whole: its groups of commands and what `wgraft --help` says.

import { Command } from 'commander';
import { version } from '../version.ts';
import { addApply } from './commands/apply.ts';
import { addBlocking } from './commands/blocking.ts';
import { addBuild } from './commands/build.ts';
import { addCheck } from './commands/check.ts';
import { addDiff } from './commands/diff.ts';
import { addForce } from './commands/force.ts';
import { addInspect } from './commands/inspect.ts';
import { addPrepare } from './commands/prepare.ts';
import { addPs } from './commands/ps.ts';
import { addRegister } from './commands/register.ts';
import { addRevert } from './commands/revert.ts';
import { addRun } from './commands/run.ts';
import { addStatus } from './commands/status.ts';
import { addVerify } from './commands/verify.ts';
import type { Output } from './output.ts';

/** Adds one command. */
export type AddCommand = (program: Command, output: Output) => void;

const groups: readonly (readonly [heading: string, commands: readonly AddCommand[]])[] = [
  ['Build:', [addPrepare, addBuild, addDiff]],
  ['Inspect:', [addInspect, addVerify]],
  ['Operate:', [addRun, addRegister, addPs, addApply, addRevert, addStatus, addBlocking, addCheck, addForce]],
];

export function createProgram(output: Output): Command {
  const program = new Command('wgraft')
    .description(
      'Live patching for WebAssembly: replaces functions of a running program, with its state kept.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .usage('<command> [options]')
    .exitOverride()
    // Errors are reported in one place, main.ts.
    .configureOutput({ outputError: () => {} })
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText(
      'after',
      `
Every command has --help and --json. Exit codes: 0 done, 1 failed, 2 usage, 3 nothing to do, 4 cannot be patched,
5 stalled or timed out, 6 no such program, 70 bug, 130 interrupted. run and register end with their program's own code.`,
    )
    .hook('preAction', (_program, command) => output.configure(command.opts()));
  for (const [heading, commands] of groups) {
    program.commandsGroup(heading);
    for (const add of commands) add(program, output);
  }
  return program;
}
