// wgraft revert: takes a patch off again, or turns the transition back that is putting it on.

import type { Command } from 'commander';
import type { ControlClient } from '../../control/index.ts';
import type { TransitionResult } from '../../runtime/index.ts';
import {
  describe,
  modelHelp,
  showTime,
  type TargetOptions,
  type TransitionFlags,
  targetHelp,
  targetOptions,
  targetUsage,
  transitionOptions,
  transitionSettings,
} from '../options.ts';
import type { Output } from '../output.ts';
import { plural } from '../table.ts';
import { connectTarget, targetFields } from '../target.ts';
import { awaitTransition } from '../transition-wait.ts';

interface RevertOptions extends TargetOptions, TransitionFlags {
  wait: boolean;
}

export function addRevert(program: Command, output: Output): void {
  const command = program
    .command('revert')
    .argument('[patch]', 'name of the patch, or 8 or more digits of its id; default: the topmost')
    .argument('[target]', 'pid, name or socket path')
    .option('--no-wait', 'return when the transition has begun')
    .action((patch: string | undefined, target: string | undefined, options: RevertOptions) =>
      revert(output, patch, target, options),
    );
  describe(targetOptions(transitionOptions(command)), {
    summary: 'take a patch off a live program',
    examples: ['wgraft revert', 'wgraft revert fix-cve-1234 api', 'wgraft revert -s api'],
    notes: [
      'While the patch is still being applied, this reverses the transition. One argument is always a patch: use -s to name only the target.',
      modelHelp,
      targetHelp,
    ],
    exits: {
      0: 'no instance runs the patch',
      1: true,
      2: targetUsage,
      3: 'no such patch is applied',
      5: true,
      6: true,
      130: true,
    },
  });
}

async function revert(
  output: Output,
  patch: string | undefined,
  target: string | undefined,
  options: RevertOptions,
): Promise<void> {
  await using client = await connectTarget(output, target, options);
  const { timeout: timeoutMs, wait } = options;
  const how = { timeoutMs, wait, ...transitionSettings(options) };
  const begin = (): Promise<TransitionResult> => client.revert(patch, how);
  const result = await awaitTransition(output, { client, doing: 'revert', toItsEnd: wait, begin });
  output.result({ target: targetFields(client), ...result }, () => showReverted(client, result));
}

function showReverted(client: ControlClient, result: TransitionResult): string {
  const { patch, universe, instances } = result;
  const head = `${patch.name} off ${client.label}   ${plural(patch.functions.length, 'function')}, universe ${universe.from} -> ${universe.to}`;
  const { done, total } = instances;
  if (!result.complete)
    return `${head}\ntransition begun, ${done}/${total} instances migrated; watch it with wgraft status -w`;
  return `${head}\nmigrated ${done}/${total} instances in ${showTime(result.elapsedMs)}`;
}
