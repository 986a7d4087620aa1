// wgraft register: runs a Node program with the register hook, as `node --import wgraft/register` does; with --explain it says
// what would be done with the program's modules.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from 'commander';
import { describe } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';

interface RegisterOptions extends OutputOptions {
  explain?: boolean;
}

export function addRegister(program: Command, output: Output): void {
  const command = program
    .command('register')
    .argument('<script>', 'a Node program')
    .argument('[args...]', 'its arguments, after --')
    .option('--explain', 'run it unprepared, and say on stderr what would be done with each of its modules')
    .action((script: string, args: readonly string[], options: RegisterOptions) =>
      register(output, script, args, options),
    );
  describe(command, {
    summary: 'run a Node program whose modules can be patched',
    examples: [
      'wgraft register server.mjs',
      'wgraft register --explain server.mjs -- --port 8080',
      'node --import wgraft/register server.mjs',
    ],
    notes: [
      'Processes that the program starts are covered, too. What can be configured, by environment and by wgraft.config.json, is in docs/embedding.md.',
    ],
    exits: { 0: "the program's own exit code, whatever it is", 2: true },
  });
}

async function register(
  output: Output,
  script: string,
  args: readonly string[],
  { explain }: RegisterOptions,
): Promise<void> {
  output.documentsToStderr();
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const hook = new URL(`../../register/index.${extension}`, import.meta.url).href;
  const options = `${process.env['NODE_OPTIONS'] ?? ''} --import ${JSON.stringify(hook)}`.trim();
  const child = spawn(process.execPath, [script, ...args], {
    stdio: 'inherit',
    env: { ...process.env, NODE_OPTIONS: options, ...(explain === true ? { WGRAFT_EXPLAIN: '1' } : {}) },
  });
  // The terminal sends Ctrl-C to both; the program decides.
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass);
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, pass);
  if (signal !== null) process.kill(process.pid, signal);
  else process.exitCode = code ?? 1;
}
