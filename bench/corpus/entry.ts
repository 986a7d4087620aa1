// Runs one entry in a process of its own and within a time limit, and makes its row whatever happens to that process.

import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job, Message, Outcome, Phase, Result, Row } from './outcome.ts';
import type { Pair, Pairs } from './pairs.ts';
import type { Recipe } from './recipe.ts';

export interface EntryOptions {
  readonly pairs: Pairs;
  readonly slots: Job['slots'];
  readonly builder: string;
  readonly timeoutMs: number;
  /** Folder for what is made: the prepared module and the patch, one folder an entry. */
  readonly keep?: string;
}

export async function runEntry(recipe: Recipe, options: EntryOptions): Promise<Row> {
  const { name, cve, kinds } = recipe;
  const pair = await options.pairs.get(name);
  const began = performance.now();
  const result: Result =
    pair.kind === 'built' ? await runInProcess(recipe, pair, options) : { outcome: pair, notes: [] };
  return { name, cve, kinds, seconds: (performance.now() - began) / 1000, ...result };
}

async function runInProcess(
  recipe: Recipe,
  pair: Extract<Pair, { kind: 'built' }>,
  { slots, builder, timeoutMs, keep }: EntryOptions,
): Promise<Result> {
  const child = fork(fileURLToPath(new URL('entry-process.ts', import.meta.url)), [], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...recipe.node_flags],
    // The guest prints; only what the engine says when it dies is of interest.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const job: Job = {
    recipe: JSON.stringify(recipe),
    old: pair.old,
    new: pair.new,
    slots,
    builder,
    ...(keep === undefined ? {} : { keep: path.join(keep, recipe.name) }),
  };
  // A process that dies at once also breaks the channel; its end, not that, is what is reported.
  child.send(job, () => {});
  return listen(child, timeoutMs);
}

const stderrKept = 2000;

async function listen(child: ChildProcess, timeoutMs: number): Promise<Result> {
  let phase: Phase = 'reading';
  let result: Result | undefined;
  let said = '';
  let late = false;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-stderrKept);
  });
  child.on('message', (message: Message) => {
    if ('phase' in message) phase = message.phase;
    else result = message.result;
  });
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const end = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  clearTimeout(timer);
  if (result !== undefined) return result;
  const reason = late ? `no end after ${timeoutMs / 1000} s` : `${end}: ${lastWords(said)}`;
  const outcome: Outcome = { kind: 'failed', during: phase, reason };
  return { outcome, notes: [] };
}

function lastWords(said: string): string {
  const lines = said.trim().split('\n');
  return (lines.find((line) => /fatal|error|assert/i.test(line)) ?? lines.at(-1) ?? '').trim();
}
