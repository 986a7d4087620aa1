// wgraft check: is the program settled? Silent, for scripts: the exit code is the answer.

import type { Command } from 'commander';
import { exitCodes } from '../../errors.ts';
import type { TransitionStatus } from '../../runtime/index.ts';
import {
  describe,
  parseTime,
  type TargetOptions,
  targetHelp,
  targetOptions,
  targetUsage,
} from '../options.ts';
import type { Output } from '../output.ts';
import { connectTarget, targetFields } from '../target.ts';

interface CheckOptions extends TargetOptions {
  stalledAfter: number;
}

export function addCheck(program: Command, output: Output): void {
  const command = program
    .command('check')
    .argument('[target]', 'pid, name or socket path')
    .option('--stalled-after <time>', 'how long a transition may run before it counts as stalled', parseTime)
    .action((target: string | undefined, options: CheckOptions) => check(output, target, options));
  command.setOptionValueWithSource('stalledAfter', 30_000, 'default');
  describe(targetOptions(command), {
    summary: 'tell by the exit code whether a transition runs',
    examples: [
      'wgraft check api && echo settled',
      'until wgraft check api; do sleep 1; done',
      'wgraft check api --stalled-after 2m',
    ],
    notes: [
      'Prints nothing without --json. A transition is stalled when it has run for longer than --stalled-after (30s, as long as apply waits) and is not over.',
      targetHelp,
    ],
    exits: {
      0: 'settled: no transition runs',
      1: 'a transition is in progress',
      2: targetUsage,
      5: 'a transition is stalled, or no answer in time',
      6: true,
    },
  });
}

type State = 'settled' | 'in-progress' | 'stalled';

async function check(output: Output, target: string | undefined, options: CheckOptions): Promise<void> {
  await using client = await connectTarget(output, target, options);
  const { programs } = await client.status();
  const transitions = programs.flatMap((p) =>
    p.transition === undefined ? [] : [{ program: p.name, ...p.transition }],
  );
  const state = judge(transitions, options.stalledAfter);
  output.result({ target: targetFields(client), state, transitions }, () => '');
  const codes = {
    settled: exitCodes.ok,
    'in-progress': exitCodes.failed,
    stalled: exitCodes.stalled,
  } as const;
  process.exitCode = codes[state];
}

function judge(transitions: readonly TransitionStatus[], stalledAfterMs: number): State {
  if (transitions.length === 0) return 'settled';
  return transitions.some((t) => t.runningMs > stalledAfterMs) ? 'stalled' : 'in-progress';
}
