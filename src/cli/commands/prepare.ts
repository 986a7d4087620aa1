// wgraft prepare: a kernel in, a prepared module out.

import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { WgraftError } from '../../errors.ts';
import type { Prepared, PrepareOptions, PrepareReport } from '../../prepare/index.ts';
import { readInput, writeOutput } from '../files.ts';
import { longWait, noteLarge } from '../long-wait.ts';
import { describe, showTime } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';
import { plural } from '../table.ts';

interface PrepareCommandOptions extends OutputOptions {
  output: string;
  slots?: 'all' | 'auto' | 'entry';
  fentry?: string;
  engine: 'auto' | 'splice' | 'binaryen';
  attention?: boolean;
  sourceMap?: string;
}

export function slotsOption(): Option {
  return new Option('--slots <policy>', 'which functions get a slot').choices(['all', 'auto', 'entry']);
}

export function addPrepare(program: Command, output: Output): void {
  const command = program
    .command('prepare')
    .argument('<module>', 'a core WebAssembly module, - for stdin')
    .requiredOption('-o, --output <file>', 'where to write the prepared module, - for stdout')
    .addOption(slotsOption())
    .option('--fentry <name>', 'the import (from "env") that marks functions, if it is not a usual one')
    .option(
      '--attention',
      'reach threads that make no host calls at their function calls, which then cost more',
    )
    .addOption(
      new Option('--engine <engine>', 'what rewrites the module')
        .choices(['auto', 'splice', 'binaryen'])
        .default('auto'),
    )
    .option(
      '--source-map <file>',
      "the module's source map, if it is a file; the new one stands beside the output, as OUTPUT.map",
    )
    .action((file: string, options: PrepareCommandOptions) => prepare(output, file, options));
  describe(command, {
    summary: 'give the functions of a module slots',
    examples: [
      'wgraft prepare app.wasm -o app.slots.wasm',
      'wgraft prepare app.wasm -o app.slots.wasm --slots all',
      'wgraft prepare kernel.wasm -o kernel.slots.wasm --fentry my_hook',
      'wgraft prepare app.wasm -o app.slots.wasm --source-map app.wasm.map',
    ],
    notes: [
      "Policies: all functions; auto, all but small leaf functions and, in a large program, small functions that only it calls; entry, only those that are exported or whose address is taken. What stands around a command's main loop keeps its slot. With auto and entry, functions that only the program's own table leads to have their slot in that table, if they are small or nothing calls them without it. Default: the functions that an fentry hook marks, auto where there is no hook.",
      'With -o - the report goes to stderr.',
    ],
    exits: {
      0: true,
      1: 'a file cannot be read or written',
      2: true,
      3: 'it is a prepared module already',
      4: true,
    },
  });
}

async function prepare(output: Output, file: string, options: PrepareCommandOptions): Promise<void> {
  const toStdout = options.output === '-';
  // The module and a document cannot share stdout.
  if (toStdout) output.documentsToStderr();
  const bytes = await readInput(file);
  const given = { ...prepareOptions(options), ...(await sourceMapOption(options)) };
  const { bytes: prepared, report, sourceMap } = await rewrite(output, file, bytes, given);
  if (sourceMap !== undefined) await writeOutput(mapFile(options), Buffer.from(sourceMap));
  await writeOutput(options.output, prepared);
  const text = output.json ? '' : await showReport(output, options.output, report);
  if (toStdout && !output.json) return output.note(text.trimEnd());
  output.result({ file: options.output, ...report }, () => text);
}

function mapFile({ output }: PrepareCommandOptions): string {
  return `${output}.map`;
}

/** The source map, and where the prepared module will say that it is: a URL relative to its own. */
async function sourceMapOption(options: PrepareCommandOptions): Promise<Pick<PrepareOptions, 'sourceMap'>> {
  if (options.sourceMap === undefined) return {};
  if (options.output === '-')
    throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', {
      option: '--source-map',
      reason: 'with -o - there is no file that the new map could stand beside',
    });
  const content = Buffer.from(await readInput(options.sourceMap)).toString();
  return { sourceMap: { content, url: encodeURIComponent(basename(mapFile(options))) } };
}

/** Prepares, with something to look at where it takes long. */
async function rewrite(
  output: Output,
  file: string,
  bytes: Uint8Array,
  options: PrepareOptions,
): Promise<Prepared> {
  await noteLarge(output, `preparing ${file}`, bytes.length);
  const wait = await longWait(output, `preparing ${file}`);
  const onProgress = (phase: string, fraction?: number): void =>
    wait.show(phase, fraction === undefined ? '' : `${Math.round(fraction * 100)}%`);
  try {
    const room = await import('../../prepare/index.ts');
    return await room.prepare(bytes, { ...options, onProgress });
  } finally {
    wait.stop();
  }
}

/** Options as the room takes them: absent ones stay absent. */
export function prepareOptions(from: {
  slots?: 'all' | 'auto' | 'entry';
  fentry?: string;
  engine?: 'auto' | 'splice' | 'binaryen';
  attention?: boolean;
}): PrepareOptions {
  return {
    ...(from.slots === undefined ? {} : { slots: from.slots }),
    ...(from.fentry === undefined ? {} : { fentry: from.fentry }),
    ...(from.engine === undefined ? {} : { engine: from.engine }),
    ...(from.attention === undefined ? {} : { attention: from.attention }),
  };
}

async function showReport(output: Output, file: string, report: PrepareReport): Promise<string> {
  const { before, after } = report.sizeBytes;
  const growth = before === 0 ? 0 : ((after - before) / before) * 100;
  const left = Object.entries(report.slotless).map(([reason, count]) => `${count} ${reason}`);
  const how = [`slots ${report.policy}`, `${report.engine} engine`];
  if (report.fentry !== undefined) how.push(`marked by ${report.fentry}`);
  const lines = [
    `${file}   ${plural(report.functions, 'function')}, ${plural(report.slots, 'slot')} (${how.join(', ')})`,
    `${await size(before)} -> ${await size(after)} (${growth < 0 ? '' : '+'}${growth.toFixed(1)}%) in ${showTime(report.elapsedMs)}, build id ${report.buildId.slice(0, 12)}`,
  ];
  if (report.tableSlots > 0)
    lines.push(output.style('detail', `in the program's own table: ${plural(report.tableSlots, 'slot')}`));
  if (left.length > 0) lines.push(output.style('detail', `without a slot: ${left.join(', ')}`));
  if (report.moved.length > 0) {
    lines.push(output.style('detail', `moved along with the code: ${report.moved.join(', ')}`));
  }
  if (report.dropped.length > 0) {
    lines.push(output.style('detail', `left out, no longer right: ${report.dropped.join(', ')}`));
  }
  return `${lines.join('\n')}\n`;
}

async function size(bytes: number): Promise<string> {
  const { default: prettyBytes } = await import('pretty-bytes');
  return prettyBytes(bytes);
}
