// Runs one measurement in a process of its own: V8 places and tiers code anew in each, and a figure that holds only in
// one process is not a figure.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeOf, type Release } from './engines.ts';

interface ChildOptions {
  readonly args: readonly string[];
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Which release of Node.js; without it, the one that runs this. */
  readonly node?: Release;
}

/** Runs `file` (beside this one), which prints one JSON value, and gives that value. */
export async function measureInChild<T>(
  file: string,
  { args, flags = [], env = {}, node }: ChildOptions,
): Promise<T> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(
    node ? nodeOf(node) : process.execPath,
    ['--no-warnings', ...flags, script, ...args],
    {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, ...env },
    },
  );
  return JSON.parse(stdout);
}
