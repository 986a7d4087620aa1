// The entry of the command line: parses, runs one command, turns whatever it threw into a message and an exit code.
// Startup loads commander and the commands' definitions; what a command needs is loaded when it runs.

import { CommanderError } from 'commander';
import { exitCodes, reasonOf, WgraftError } from '../errors.ts';
import { Output } from './output.ts';
import { createProgram } from './program.ts';

const args = process.argv.slice(2);
const output = new Output({ json: asksFor('--json') });
if (asksFor('--no-color')) output.configure({ color: false });
// A reader that has seen enough (`wgraft ps | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? exitCodes.ok);
  output.documentsToStderr();
  const details = { file: 'standard output', doing: 'write', reason: reasonOf(error) } as const;
  process.exit(output.fail(new WgraftError('WGRAFT_ERR_FILE', details, { cause: error })));
});
// Nobody reads what there is to say: the exit code says the rest.
process.stderr.on('error', () => {});
const program = createProgram(output);
try {
  await program.parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' });
} catch (error) {
  process.exitCode = fail(error);
}

/** Known before anything is parsed, since a usage error has to be JSON, or without colours, too. */
function asksFor(option: string): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes(option);
}

function fail(error: unknown): number {
  if (!(error instanceof CommanderError)) return output.fail(error);
  // Help and --version come as errors with exit code 0.
  if (error.exitCode === 0) return exitCodes.ok;
  const what = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?');
  const command = program.commands.find((c) => args[0] === c.name())?.name();
  return output.fail(
    new WgraftError('WGRAFT_ERR_USAGE', command === undefined ? { what } : { what, command }),
  );
}
