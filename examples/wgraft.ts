// What the examples' run.ts have in common: the command, and checks that are shown.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const command = fileURLToPath(new URL('../bin/wgraft.js', import.meta.url));

/** Runs a wgraft command, shows it and gives what it printed. `folder` is where files and sockets are. */
export async function wgraft(folder: string, ...args: string[]): Promise<string> {
  console.log(`$ wgraft ${args.join(' ')}`);
  const env = { ...process.env, WGRAFT_SOCKET_DIR: `${folder}/s` };
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args], { env, cwd: folder });
  console.log(stdout.trimEnd());
  return stdout;
}

/** Shows what was found; throws where it is not as it should be. */
export function expect(what: string, found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is}, not ${should}`);
  console.log(`  ${what}: ${is}`);
}
