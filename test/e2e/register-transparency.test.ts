// With the hook, a program sees of WebAssembly what it sees without: one program writes down everything that it can find out,
// and what it writes is the same, on every Node.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { sandbox } from '../support/cli.ts';
import { writePrograms } from '../support/registered/programs.ts';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, 'test/support/registered/observe.mjs');
const hook = pathToFileURL(join(root, 'dist/register/index.js')).href;

test.each(['node22', 'node24', 'node'])('what a program sees on %s', async (name) => {
  await using box = await sandbox();
  await writePrograms(box.path('programs'));
  const node = join(dirname(require.resolve(`${name}/package.json`)), 'bin/node');
  const options = name === 'node' ? ['--no-warnings'] : ['--no-warnings', '--experimental-wasm-modules'];
  const look = (...more: string[]): Record<string, unknown> => {
    const args = [...options, ...more, program, box.path('programs')];
    const env = { WGRAFT_SOCKET_DIR: box.sockets, WGRAFT_CACHE_DIR: box.cache };
    return JSON.parse(execFileSync(node, args, { encoding: 'utf8', env })) as Record<string, unknown>;
  };
  const without = look();
  expect(Object.keys(without).length).toBeGreaterThan(45);
  expect(look('--import', hook)).toEqual(without);
});
