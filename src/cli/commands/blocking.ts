// wgraft blocking: who holds up a transition, and what they run.

import type { Command } from 'commander';
import {
  describe,
  showTime,
  type TargetOptions,
  targetHelp,
  targetOptions,
  targetUsage,
} from '../options.ts';
import type { Output } from '../output.ts';
import { table } from '../table.ts';
import { connectTarget, targetFields } from '../target.ts';
import { showInstance } from '../transition-wait.ts';

export function addBlocking(program: Command, output: Output): void {
  const command = program
    .command('blocking')
    .argument('[target]', 'pid, name or socket path')
    .action((target: string | undefined, options: TargetOptions) => blocking(output, target, options));
  describe(targetOptions(command), {
    summary: 'show the instances that a transition waits for',
    examples: ['wgraft blocking', 'wgraft blocking api -v', 'wgraft blocking api --json'],
    notes: ['With -v the wasm stack of each, outermost first.', targetHelp],
    exits: { 0: 'shown, even if nothing blocks', 2: targetUsage, 5: true, 6: true },
  });
}

async function blocking(output: Output, target: string | undefined, options: TargetOptions): Promise<void> {
  await using client = await connectTarget(output, target, options);
  const found = await client.blocking();
  if (found.length === 0) output.note(`nothing blocks in ${client.label}`);
  const heading = ['PROGRAM', 'INSTANCE', 'FOR', 'STATE', output.verbose ? 'STACK' : 'FUNCTIONS'];
  const rows = found.map((b) => {
    const runs = output.verbose && b.stack.length > 0 ? b.stack.join(' > ') : b.functions.join(', ');
    const what = b.busyMs === undefined ? runs : `no host call for ${showTime(b.busyMs)}`;
    return [b.program, showInstance(b), showTime(b.blockedMs), b.state, what];
  });
  const text = rows.length === 0 || output.json ? '' : await table(output, heading, rows);
  output.result({ target: targetFields(client), blocking: found }, () => text);
}
