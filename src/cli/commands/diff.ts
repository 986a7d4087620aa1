// wgraft diff: what a patch between two builds would do, function by function.

import type { Command } from 'commander';
import type { BuildDiff } from '../../build/index.ts';
import { exitCodes } from '../../errors.ts';
import type { PrepareOptions } from '../../prepare/index.ts';
import { readBuilds, readHeaders } from '../builds.ts';
import { readInput } from '../files.ts';
import { noteLarge } from '../long-wait.ts';
import { collect, describe } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';
import { plural } from '../table.ts';
import { slotsOption } from './prepare.ts';

interface DiffCommandOptions extends OutputOptions {
  target?: string;
  slots?: PrepareOptions['slots'];
  keepData?: readonly string[];
  allowLayout?: readonly string[];
  allowNewState?: readonly string[];
  header?: readonly string[];
  cflag?: readonly string[];
}

export function addDiff(program: Command, output: Output): void {
  const command = program
    .command('diff')
    .argument('<old>', 'the build that runs, before it was prepared: a module or a C source')
    .argument('<new>', 'the build with the fix')
    .option('--target <module>', 'what was prepared from the old build, if not with the default policy')
    .addOption(slotsOption())
    .option('--keep-data <name>', 'a variable whose running value may stay, or all; repeatable', collect)
    .option(
      '--allow-layout <struct>',
      'a struct whose layout may change, since no object of it is alive, or all; repeatable',
      collect,
    )
    .option(
      '--allow-new-state <name>',
      'a new variable that may take the place of a constant, or all; repeatable',
      collect,
    )
    .option('--header <file>', 'a header for C sources; repeatable', collect)
    .option('--cflag <flag>', 'an option for the C compiler; repeatable', collect)
    .action((old: string, next: string, options: DiffCommandOptions) => diff(output, old, next, options));
  describe(command, {
    summary: 'show what a patch between two builds would do',
    examples: [
      'wgraft diff old.wasm new.wasm',
      'wgraft diff old.wasm new.wasm --slots all --json',
      'wgraft diff old.c new.c',
    ],
    exits: {
      0: 'a patch can be built',
      1: 'a file cannot be read',
      2: true,
      3: 'nothing changed',
      4: 'no patch can be built: the output says why',
    },
  });
}

async function diff(output: Output, old: string, next: string, options: DiffCommandOptions): Promise<void> {
  const { keepData = [], allowLayout = [], allowNewState = [], header = [], cflag = [] } = options;
  const { diffBuilds, isUnchanged } = await import('../../build/index.ts');
  const builds = await readBuilds(old, next, { headers: await readHeaders(header), compilerFlags: cflag });
  await noteLarge(output, `comparing ${old} with ${next}`, builds.old.length);
  const found = await diffBuilds({
    ...builds,
    keepData: keepData.includes('all') ? 'all' : keepData,
    allowLayouts: allowLayout.includes('all') ? 'all' : allowLayout,
    allowNewState: allowNewState.includes('all') ? 'all' : allowNewState,
    ...(options.target === undefined ? {} : { target: await readInput(options.target) }),
    ...(options.slots === undefined ? {} : { prepare: { slots: options.slots } }),
  });
  const unchanged = isUnchanged(found);
  for (const note of found.notes) output.note(note);
  output.result({ old, new: next, unchanged, ...found }, () => show(output, found));
  if (found.refused.length > 0) process.exitCode = exitCodes.notPatchable;
  else if (unchanged) process.exitCode = exitCodes.nothingToDo;
}

function show(output: Output, d: BuildDiff): string {
  const lines: string[] = [];
  const heading = (text: string): void => void lines.push(output.style('heading', text));
  if (d.changed.length > 0) heading(`${plural(d.changed.length, 'function')} changed`);
  for (const { name, how, first, hasSlot, source } of d.changed) {
    const at = source === undefined ? [] : [`${source.file}:${source.line}`];
    const what = [...at, ...(how === 'type' ? ['signature'] : []), ...(hasSlot ? [] : ['no slot'])];
    lines.push(`  ${name}${what.length === 0 ? '' : `   ${what.join(', ')}`}`);
    lines.push(output.style('failed', `    - ${first.old}`), output.style('done', `    + ${first.new}`));
  }
  if (d.along.length > 0) heading(`${plural(d.along.length, 'function')} brought along`);
  for (const { name, because } of d.along) lines.push(`  ${name}   calls ${because}, which has no guard`);
  const list = (what: string, names: readonly string[]): void => {
    if (names.length > 0) heading(`${plural(names.length, 'function')} ${what}`);
    for (const name of names) lines.push(`  ${name}`);
  };
  list('new', d.added);
  list('removed', d.removed);
  list('unchanged but for line numbers of assertions', d.lines);
  if (d.data.length > 0) heading(`${plural(d.data.length, 'variable')} changed`);
  for (const v of d.data) {
    const how =
      v.how === 'size'
        ? `${v.oldSizeBytes} bytes became ${v.newSizeBytes}`
        : 'starts with another value, the program keeps what it has';
    lines.push(`  ${v.name}   ${how}${v.kept ? ' (as wanted)' : ''}`);
  }
  if (d.refused.length > 0) heading('no patch can be built');
  for (const { message, hint } of d.refused) {
    lines.push(output.style('failed', `  ${message}`));
    if (hint !== undefined) lines.push(`    hint: ${hint}`);
  }
  return lines.length === 0 ? 'nothing changed\n' : `${lines.join('\n')}\n`;
}
