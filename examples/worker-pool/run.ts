// Runs the whole example; exits non-zero if a step is not as it says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, reachable, wgraft } from '../wgraft.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'wgraft-pool-'));
const brotli = dirname(createRequire(import.meta.url).resolve('brotli-wasm'));
await copyFile(join(brotli, 'pkg.node/brotli_wasm_bg.wasm'), join(folder, 'brotli.wasm'));
await copyFile(join(here, 'in-kibibytes.wat'), join(folder, 'in-kibibytes.wat'));
await wgraft(folder, 'prepare', 'brotli.wasm', '-o', 'brotli.slots.wasm');
const replacement = '__wbg_get_brotlistreamresult_input_offset=in-kibibytes.wat';
const what = ['--target', 'brotli.slots.wasm', '--replace', replacement];
await wgraft(folder, 'build', ...what, '-o', 'in-kibibytes.wgp');

const command = fileURLToPath(new URL('../../bin/wgraft.js', import.meta.url));
const pool = spawn(process.execPath, [command, 'register', join(here, 'pool.mjs')], {
  env: { ...process.env, WGRAFT_SOCKET_DIR: join(folder, 's') },
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface(pool.stdout);
const next = async (): Promise<string> => ((await once(lines, 'line')) as [string])[0];
const ask = async (): Promise<number[]> => {
  const sizes: number[] = [];
  for (let worker = 0; worker < 2; worker++) {
    pool.stdin.write(`${'lorem ipsum '.repeat(3)}\n`);
    sizes.push(Number(await next()));
  }
  return sizes;
};
try {
  console.log(await next());
  await reachable(folder, 'pool');
  const [first = 0] = await ask();
  expect('both count bytes', await ask(), [2 * first, 2 * first]);
  await wgraft(folder, 'apply', 'in-kibibytes.wgp', 'pool');
  expect('both round up', await ask(), [2 * first + 1024, 2 * first + 1024]);
  await wgraft(folder, 'revert', 'in-kibibytes', 'pool');
  expect('as before', await ask(), [3 * first + 1024, 3 * first + 1024]);
} finally {
  pool.stdin.end();
  await once(pool, 'exit');
  await rm(folder, { recursive: true, force: true });
}
