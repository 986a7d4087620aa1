// wgraft apply: puts a patch on a live program, waits until every instance runs it, and only then says so.

import type { Command } from 'commander';
import type { ControlClient } from '../../control/index.ts';
import { WgraftError } from '../../errors.ts';
import type { TransitionResult, VerifyReport } from '../../runtime/index.ts';
import { readPatchInput } from '../files.ts';
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

interface ApplyOptions extends TargetOptions, TransitionFlags {
  wait: boolean;
  dryRun?: boolean;
}

export function addApply(program: Command, output: Output): void {
  const command = program
    .command('apply')
    .argument('<patch>', 'a patch file, - for stdin')
    .argument('[target]', 'pid, name or socket path')
    .option('-n, --dry-run', 'only ask the program whether the patch would apply')
    .option('--no-wait', 'return when the transition has begun')
    .action((file: string, target: string | undefined, options: ApplyOptions) =>
      apply(output, file, target, options),
    );
  describe(targetOptions(transitionOptions(command)), {
    summary: 'apply a patch to a live program',
    examples: [
      'wgraft apply fix.wgp',
      'wgraft apply fix.wgp api --timeout 2m',
      'wgraft apply fix.wgp api --dry-run',
      'wgraft apply fix.wgp api --no-wait && wgraft status api --watch',
      'wgraft apply fix.wgp api --model stop-machine',
      'wgraft apply fix.wgp api --deadline 10s',
    ],
    notes: [
      'Ctrl-C and the end of --timeout stop the waiting and leave the transition running; wgraft revert takes it back.',
      modelHelp,
      targetHelp,
    ],
    exits: {
      0: 'every instance runs the patch',
      1: true,
      2: targetUsage,
      3: 'already applied',
      4: true,
      5: true,
      6: true,
      130: true,
    },
  });
}

async function apply(
  output: Output,
  file: string,
  target: string | undefined,
  options: ApplyOptions,
): Promise<void> {
  const { patchSizeLimitBytes, readPatch } = await import('../../patch/index.ts');
  const bytes = await readPatchInput(file, patchSizeLimitBytes);
  // A file that is no patch is refused here, before anybody else has to look at it.
  readPatch(bytes);
  await using client = await connectTarget(output, target, options);
  if (options.dryRun) return await dryRun(output, client, bytes);
  const { timeout: timeoutMs, wait } = options;
  const how = { timeoutMs, wait, ...transitionSettings(options) };
  const begin = (): Promise<TransitionResult> => client.apply(bytes, how);
  const result = await awaitTransition(output, { client, doing: 'apply', toItsEnd: wait, begin });
  output.result({ target: targetFields(client), ...result }, () => showApplied(client, result));
}

async function dryRun(output: Output, client: ControlClient, bytes: Uint8Array): Promise<void> {
  const report = await client.verify(bytes);
  if (report.applied) throw new WgraftError('WGRAFT_ERR_PATCH_APPLIED', { patch: report.patch.name });
  output.result({ target: targetFields(client), dryRun: true, ...report }, () =>
    showVerified(client, report),
  );
}

function showVerified(client: ControlClient, { patch }: VerifyReport): string {
  return `${patch.name} -> ${client.label}   ${plural(patch.functions.length, 'function')}
would apply; nothing was changed`;
}

function showApplied(client: ControlClient, result: TransitionResult): string {
  const { patch, universe, instances } = result;
  const head = `${patch.name} -> ${client.label}   ${plural(patch.functions.length, 'function')}, universe ${universe.from} -> ${universe.to}`;
  return `${head}\n${showProgress(result, instances)}`;
}

function showProgress(result: TransitionResult, { done, total }: { done: number; total: number }): string {
  if (!result.complete)
    return `transition begun, ${done}/${total} instances migrated; watch it with wgraft status -w`;
  if (total === 0) return 'no instance lives; new ones are born with it';
  return `migrated ${done}/${total} instances in ${showTime(result.elapsedMs)}`;
}
