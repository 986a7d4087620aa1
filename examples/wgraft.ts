// What the examples' run.ts have in common: the command, and checks that are shown.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const command = fileURLToPath(new URL('../bin/wgraft.js', import.meta.url));

/** Runs a wgraft command, shows it and gives what it printed. `folder` is where files and sockets are. */
export async function wgraft(folder: string, ...args: string[]): Promise<string> {
  console.log(`$ wgraft ${args.join(' ')}`);
  const stdout = await run(folder, args);
  console.log(stdout.trimEnd());
  return stdout;
}

async function run(folder: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, WGRAFT_SOCKET_DIR: `${folder}/s` };
  return (await promisify(execFile)(process.execPath, [command, ...args], { env, cwd: folder })).stdout;
}

/** Waits until a program that runs under the register hook can be reached: its control thread starts beside it. */
export async function reachable(folder: string, name: string): Promise<void> {
  for (let tries = 50; ; tries -= 1) {
    try {
      await run(folder, ['check', name]);
      return;
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}

/** Shows what was found; throws where it is not as it should be. */
export function expect(what: string, found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is}, not ${should}`);
  console.log(`  ${what}: ${is}`);
}
