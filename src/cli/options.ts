// Options that several commands share, and the frame of every help text: what it does and examples first, exit codes last.

import { type Command, InvalidArgumentError, Option } from 'commander';
import ms from 'ms';
import { type ConsistencyModel, consistencyModels } from '../patch/index.ts';
import type { TransitionOptions } from '../runtime/index.ts';
import type { OutputOptions } from './output.ts';

export interface TargetOptions extends OutputOptions {
  socket?: string;
  timeout: number;
}

const meanings: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failed',
  2: 'wrong usage',
  3: 'nothing to do',
  4: 'cannot be patched: wrong file, wrong build, wrong function',
  5: 'stalled, or no answer in time',
  6: 'no such program, or it went away',
  70: 'a bug in wgraft',
  130: 'stopped waiting (Ctrl-C)',
};

export interface HelpText {
  readonly summary: string;
  readonly examples: readonly string[];
  /** What to say after the options, a paragraph each. */
  readonly notes?: readonly string[];
  /** In which cases the command ends with which code; a text replaces the usual meaning. */
  readonly exits: Readonly<Record<number, string | true>>;
}

/** Gives a command its help and the options that all have. */
export function describe(command: Command, help: HelpText): Command {
  const { summary, examples, notes = [], exits } = help;
  const shown = examples.map((example) => `  $ ${example}\n`).join('');
  const codes = Object.entries(exits).map(([code, meaning]) => {
    return `  ${code.padStart(3)}  ${meaning === true ? meanings[Number(code)] : meaning}\n`;
  });
  const paragraphs = notes.map((note) => `\n${wrap(note)}\n`).join('');
  return command
    .summary(summary)
    .addHelpText('before', `${summary[0]?.toUpperCase()}${summary.slice(1)}.\n\nExamples:\n${shown}`)
    .addHelpText('after', `${paragraphs}\nExit codes:\n${codes.join('').trimEnd()}`)
    .option('--json', 'print one JSON document, errors too')
    .option('-q, --quiet', 'print no notes')
    .option('-v, --verbose', 'print more; with errors, where they come from')
    .option('--no-color', 'print no colours (so does NO_COLOR=1)');
}

/** Help has the width that commander gives it in a pipe. */
const widthColumns = 80;

function wrap(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > widthColumns) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

/** The parser of an option that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export const targetHelp =
  'TARGET is a pid, a name or the path of a socket (see wgraft ps). Default: $WGRAFT_SOCKET, else the only program there is.';

/** Exit code 2 of the commands that have a TARGET. */
export const targetUsage = 'wrong usage, or TARGET means several programs';

/** The options of commands that talk to a live program. */
export function targetOptions(command: Command): Command {
  return command
    .option('-s, --socket <target>', 'the TARGET, where it is not given as an argument')
    .addOption(
      new Option('--timeout <time>', 'how long to wait for an answer or a transition')
        .argParser(parseTime)
        .default(30_000, '30s'),
    );
}

export interface TransitionFlags {
  model?: ConsistencyModel;
  deadline?: number;
}

/** The options of commands that begin a transition. */
export function transitionOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--model <name>', 'consistency model; default: what the patch asks for, or hybrid').choices(
        consistencyModels,
      ),
    )
    .addOption(
      new Option(
        '--deadline <time>',
        'take it back if it is not through by then; 0: never (default: 60s for apply, never for revert)',
      ).argParser((text) => (text === '0' ? 0 : parseTime(text))),
    );
}

export function transitionSettings({ model, deadline }: TransitionFlags): TransitionOptions {
  return {
    ...(model === undefined ? {} : { model }),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
  };
}

export const modelHelp =
  'Models: hybrid and leave-set (no changed function is active), leave-kernel (nothing of the instance is active), stop-machine and checkpoint (the same, all instances at once), immediate (at once, whatever runs), safe-point (where the program says so). See docs/consistency.md.';

/** `30s`, `2m`, `500ms`; a bare number is refused, since nobody means milliseconds. */
export function parseTime(text: string): number {
  // ms() takes any text and answers undefined for what it cannot read.
  const value = /^\d+(\.\d+)?\s*[a-z]+$/i.test(text) ? ms(text as ms.StringValue) : undefined;
  if (value === undefined)
    throw new InvalidArgumentError('It must be a time with a unit, as 30s, 2m or 500ms.');
  // Longer ones do not fit in a timer.
  return Math.min(value, 2 ** 31 - 2001);
}

/** A duration for people: `800ms`, `31s`, `2m`. */
export function showTime(milliseconds: number): string {
  return ms(Math.round(milliseconds));
}
