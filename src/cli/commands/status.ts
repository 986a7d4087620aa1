// wgraft status: what a program runs, what is applied to it, how far a transition is; with --watch, what happens to it.

import type { Command } from 'commander';
import type { ControlClient } from '../../control/index.ts';
import { WgraftError } from '../../errors.ts';
import type { PatcherEvent, ProgramStatus, Status } from '../../runtime/index.ts';
import {
  describe,
  showTime,
  type TargetOptions,
  targetHelp,
  targetOptions,
  targetUsage,
} from '../options.ts';
import type { Output } from '../output.ts';
import { shortId, some, table } from '../table.ts';
import { connectTarget, targetFields } from '../target.ts';
import { showInstance } from '../transition-wait.ts';

export function addStatus(program: Command, output: Output): void {
  const command = program
    .command('status')
    .argument('[target]', 'pid, name or socket path')
    .option('-w, --watch', 'print what happens, until Ctrl-C; with --json a document a line')
    .action((target: string | undefined, options: TargetOptions & { watch?: boolean }) =>
      status(output, target, options),
    );
  describe(targetOptions(command), {
    summary: 'show a program, its patches and its transition',
    examples: ['wgraft status', 'wgraft status api', 'wgraft status 4121 --watch', 'wgraft status --json'],
    notes: [targetHelp],
    exits: { 0: true, 2: targetUsage, 5: true, 6: true, 130: 'end of --watch' },
  });
}

async function status(
  output: Output,
  target: string | undefined,
  options: TargetOptions & { watch?: boolean },
): Promise<void> {
  await using client = await connectTarget(output, target, options);
  if (options.watch) {
    // Before the first look, so that nothing falls between the two.
    client.subscribe((event) => output.result({ event }, () => showEvent(event)));
  }
  const now = await client.status();
  const text = output.json ? '' : await showStatus(output, client, now);
  output.result({ target: targetFields(client), ...now }, () => text);
  if (!options.watch) return;
  await client.closed;
  throw new WgraftError('WGRAFT_ERR_CONTROL_LOST', {
    target: client.label,
    during: 'watching',
    known: 'it has ended',
  });
}

async function showStatus(output: Output, client: ControlClient, now: Status): Promise<string> {
  const { hello, label } = client;
  const up = showTime(Date.now() - Date.parse(hello.started));
  const head = `${label}   wgraft ${hello.wgraft}, node ${hello.node}, up ${up}\n`;
  if (now.programs.length === 0) return `${head}\nno prepared module runs in it\n`;
  const programs = await table(
    output,
    ['PROGRAM', 'BUILD', 'SLOTS', 'UNIVERSE', 'INSTANCES', 'STATE'],
    now.programs.map((p) => [
      p.name,
      shortId(p.buildId),
      p.slots,
      p.universe,
      p.instances.length,
      showState(output, p),
    ]),
  );
  const patches = now.programs.flatMap((p) => p.patches.map((patch) => ({ program: p.name, patch })));
  if (patches.length === 0) return `${head}\n${programs}\nno patches\n`;
  const rows = patches.map(({ program, patch }) => {
    const names = output.verbose ? patch.functions.join(', ') : some(patch.functions);
    return [patch.name, shortId(patch.id), program, patch.state, names];
  });
  const applied = await table(output, ['PATCH', 'ID', 'PROGRAM', 'STATE', 'FUNCTIONS'], rows);
  return `${head}\n${programs}\n${applied}`;
}

function showCallback(event: Extract<PatcherEvent, { type: 'callback' }>): string {
  const name = event.callback.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
  return event.outcome === 'done' ? name : `${name} ${event.outcome}: ${event.reason ?? ''}`;
}

function showState(output: Output, p: ProgramStatus): string {
  const state = showTransition(output, p) + (p.forced ? output.style('waiting', ', forced') : '');
  if (p.busyMs === undefined) return state;
  return `${state}, ${output.style('waiting', `busy: no answer for ${showTime(p.busyMs)}`)}`;
}

function showTransition(output: Output, p: ProgramStatus): string {
  if (p.transition === undefined) return 'settled';
  const { direction, patch, instances, runningMs } = p.transition;
  const progress = `${instances.done}/${instances.total} switched`;
  return output.style('waiting', `${direction} ${patch}: ${progress} in ${showTime(runningMs)}`);
}

function showEvent(event: PatcherEvent): string {
  const at = new Date().toISOString().slice(11, 23);
  switch (event.type) {
    case 'instance':
      return `${at}   ${event.program}   instance ${showInstance(event)} ${event.change}`;
    case 'migrated':
      return `${at}   ${event.program}   instance ${showInstance(event)} switched to universe ${event.universe}`;
    case 'transition':
      return `${at}   ${event.program}   ${event.direction} ${event.patch}: ${event.step}`;
    case 'callback':
      return `${at}   ${event.program}   instance ${showInstance(event)} ${event.patch}: ${showCallback(event)}`;
  }
}
