// wgraft run: runs a WASI program that can be patched while it runs. Its stdin, stdout and exit code are its own; what
// wgraft has to say goes to stderr.

import path from 'node:path';
import type { Command } from 'commander';
import { type ErrorJson, WgraftError } from '../../errors.ts';
import type { ProgramExit } from '../../host/index.ts';
import { readInput } from '../files.ts';
import { collect, describe } from '../options.ts';
import { type Output, type OutputOptions, withMore } from '../output.ts';
import { prepareOptions, slotsOption } from './prepare.ts';

interface RunOptions extends OutputOptions {
  name?: string;
  slots?: 'all' | 'auto' | 'entry';
  fentry?: string;
  env?: readonly string[];
  dir?: readonly string[];
  cache: boolean;
}

export function addRun(program: Command, output: Output): void {
  const command = program
    .command('run')
    .argument('<module>', 'a WASI (preview 1) program, prepared or not')
    .argument('[args...]', 'arguments of the program, after --')
    .option('--name <name>', 'what ps and TARGET call it; default: the name of the file')
    .option('--env <name=value>', 'an environment variable of the program; repeatable', collect)
    .option('--dir <[guest=]host>', 'a folder that the program may open; repeatable', collect)
    .addOption(slotsOption())
    .option('--fentry <name>', 'the import that marks functions, if it is not a usual one')
    .option('--no-cache', 'prepare it anew, and do not keep the result (as WGRAFT_CACHE_DIR=off)')
    .action((file: string, args: readonly string[], options: RunOptions) => run(output, file, args, options));
  describe(command, {
    summary: 'run a WASI program that can be patched while it runs',
    examples: [
      'wgraft run app.wasm',
      'wgraft run app.wasm --name api --dir /data=./data -- --port 8080',
      'wgraft run app.wasm --env LOG=debug < requests.txt',
    ],
    notes: [
      "A module without slots is prepared first; the result is kept in the user's cache folder. stdin, stdout and stderr are the program's. With --json, errors before it starts are a document on stderr.",
    ],
    exits: { 0: "the program's own exit code, whatever it is", 1: true, 2: true, 4: true },
  });
}

async function run(
  output: Output,
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<void> {
  output.documentsToStderr();
  const { isControlName, listen } = await import('../../control/index.ts');
  const name = options.name ?? nameOf(file);
  if (!isControlName(name)) throw new WgraftError('WGRAFT_ERR_CONTROL_NAME', { name });
  const env = Object.fromEntries((options.env ?? []).map((e) => splitPair(e, '--env NAME=VALUE')));
  const preopens = Object.fromEntries(
    (options.dir ?? []).map((d) => (d.includes('=') ? splitPair(d, '--dir') : [d, d])),
  );
  const bytes = await preparedBytes(output, file, options);
  const { runWasi } = await import('../../host/index.ts');
  const sockets: { close(): Promise<void> }[] = [];
  try {
    const running = await runWasi(
      bytes,
      { name, args: [file, ...args], env, preopens },
      async (operations) => {
        const control = await listen({ name }, operations);
        sockets.push(control);
        endOnSignals(control);
        output.note(`${name} (pid ${process.pid}) can be patched: wgraft apply FIX.wgp ${name}`);
      },
    );
    process.exitCode = exitCodeOf(output, await running.exited);
  } finally {
    for (const socket of sockets) await socket.close();
  }
}

function exitCodeOf(output: Output, exit: ProgramExit): number {
  if ('code' in exit) return exit.code;
  const error = WgraftError.from(exit.trap);
  return output.fail(withMore(error, { lines: trapStack(exit.trap, output.verbose), fields: {} }));
}

/** Where it trapped: enough to know it by, all of it with -v. */
function trapStack({ details }: ErrorJson, all: boolean): string[] {
  const stack: unknown = details?.['stack'];
  if (!Array.isArray(stack)) return [];
  const lines = stack.map(String);
  const shown = all ? lines : lines.slice(0, 8);
  return shown.length < lines.length ? [...shown, `... ${lines.length - shown.length} more with -v`] : shown;
}

/** The file's name, made fit for a socket: `my app.slots.wasm` is `my-app`. */
function nameOf(file: string): string {
  const base = path.basename(file).replace(/(\.slots)?\.wasm$/, '');
  const fit = base.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  return fit === '' ? 'program' : fit.slice(0, 64);
}

function splitPair(text: string, usage: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new WgraftError('WGRAFT_ERR_USAGE', {
    what: `"${text}" is not of the form ${usage}`,
    command: 'run',
  });
}

async function preparedBytes(
  output: Output,
  file: string,
  options: RunOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readInput(file);
  const { findSlotMap } = await import('../../patch/index.ts');
  if (findSlotMap(bytes) !== undefined) {
    const ignored = options.slots === undefined ? options.fentry && '--fentry' : '--slots';
    if (ignored !== undefined) output.note(`${file} is prepared already: ${ignored} has no effect`);
    return bytes;
  }
  const { prepare, prepareCached } = await import('../../prepare/index.ts');
  const how = prepareOptions(options);
  // As the register hook has it.
  const { WGRAFT_CACHE_DIR: folder } = process.env;
  if (!options.cache || folder === 'off') return (await prepare(bytes, how)).bytes;
  const at = folder ? { folder } : {};
  const { bytes: prepared, cache, reason, file: entry } = await prepareCached(bytes, { ...how, ...at });
  if (cache === 'unkept')
    output.note(`the prepared module cannot be kept in ${path.dirname(entry)}: ${reason}`);
  return prepared;
}

/** A signal ends the process as it would without us, but not before the socket is gone. */
function endOnSignals(control: { close(): Promise<void> }): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      control.close().finally(() => process.kill(process.pid, signal));
    });
  }
}
