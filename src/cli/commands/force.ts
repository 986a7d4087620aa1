// wgraft force: completes a transition that waits, whatever the instances run. Separate from apply, and asked for twice.

import type { Command } from 'commander';
import { WgraftError } from '../../errors.ts';
import type { TransitionResult } from '../../runtime/index.ts';
import { describe, showTime, type TargetOptions, targetHelp, targetOptions } from '../options.ts';
import { type Output, withMore } from '../output.ts';
import { connectTarget, targetFields } from '../target.ts';
import { awaitTransition, showBlocking } from '../transition-wait.ts';

interface ForceOptions extends TargetOptions {
  yes?: boolean;
}

export function addForce(program: Command, output: Output): void {
  const command = program
    .command('force')
    .argument('[target]', 'pid, name or socket path')
    .option('--yes', 'do it')
    .action((target: string | undefined, options: ForceOptions) => force(output, target, options));
  describe(targetOptions(command), {
    summary: 'complete a transition whatever the instances run',
    examples: ['wgraft force api', 'wgraft force api --yes'],
    notes: [
      'Without --yes it only says who would be forced. An instance that is switched inside a changed function goes on in the old code and meets new code in its next call: if the two disagree about data, they damage it. The program is marked as forced in wgraft status until it ends. Waiting, or wgraft revert, is nearly always better.',
      targetHelp,
    ],
    exits: {
      0: 'every instance was switched',
      1: true,
      2: 'wrong usage, no --yes, or TARGET means several programs',
      3: 'no transition runs',
      5: true,
      6: true,
      130: true,
    },
  });
}

async function force(output: Output, target: string | undefined, options: ForceOptions): Promise<void> {
  await using client = await connectTarget(output, target, options);
  const { programs } = await client.status();
  if (programs.every((p) => p.transition === undefined))
    throw new WgraftError('WGRAFT_ERR_NO_TRANSITION', {});
  if (options.yes !== true) {
    const blocking = await client.blocking();
    const error = new WgraftError('WGRAFT_ERR_FORCE_UNCONFIRMED', {
      program: client.label,
      blocking: blocking.length,
    });
    throw withMore(error, { lines: blocking.map(showBlocking), fields: { blocking } });
  }
  const begin = (): Promise<TransitionResult> => client.force({ timeoutMs: options.timeout });
  const result = await awaitTransition(output, { client, doing: 'force', toItsEnd: true, begin });
  output.result({ target: targetFields(client), ...result }, () => {
    const { patch, instances, elapsedMs } = result;
    const what =
      result.direction === 'apply' ? `${patch.name} -> ${client.label}` : `${patch.name} off ${client.label}`;
    return `${what}   forced\nmigrated ${instances.done}/${instances.total} instances in ${showTime(elapsedMs)}; the program is marked as forced`;
  });
}
