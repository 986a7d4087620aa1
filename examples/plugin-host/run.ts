// Runs the whole example; exits non-zero if a step is not as it says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import loadWabt from 'wabt';
import { expect, wgraft } from '../wgraft.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'wgraft-plugins-'));
const wabt = await loadWabt();
const text = await readFile(join(here, 'plugin.wat'), 'utf8');
const { buffer } = wabt.parseWat('plugin.wat', text).toBinary({ write_debug_names: true });
await writeFile(join(folder, 'plugin.wasm'), buffer);
await copyFile(join(here, 'discount.wat'), join(folder, 'discount.wat'));
await wgraft(folder, 'prepare', 'plugin.wasm', '-o', 'plugin.slots.wasm', '--slots', 'all');
await wgraft(
  folder,
  'build',
  '--target',
  'plugin.slots.wasm',
  '--replace',
  'discount=discount.wat',
  '-o',
  'discount.wgp',
);

const args = [join(here, 'host.ts'), join(folder, 'plugin.slots.wasm'), 'acme', 'bolt', 'core'];
const host = spawn(process.execPath, args, {
  env: { ...process.env, WGRAFT_SOCKET_DIR: join(folder, 's') },
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface(host.stdout);
const next = async (): Promise<string> => ((await once(lines, 'line')) as [string])[0];
const prices = async (): Promise<string[]> => {
  const found: string[] = [];
  for (const tenant of ['acme', 'bolt', 'core']) {
    host.stdin.write(`${tenant} 1000\n`);
    found.push(await next());
  }
  return found;
};
try {
  console.log(await next());
  expect('before', await prices(), ['acme 1001', 'bolt 1001', 'core 1001']);
  await wgraft(folder, 'apply', 'discount.wgp', 'acme');
  expect('acme has the discount', await prices(), ['acme 902', 'bolt 1002', 'core 1002']);
  await wgraft(folder, 'apply', 'discount.wgp', 'bolt');
  expect('bolt, too', await prices(), ['acme 903', 'bolt 903', 'core 1003']);
  await wgraft(folder, 'revert', 'discount', 'acme');
  expect('acme no longer', await prices(), ['acme 1004', 'bolt 904', 'core 1004']);
} finally {
  host.kill();
  await rm(folder, { recursive: true, force: true });
}
