// The engines that users may have: each passes the self-test of the activeness check and tells the same story.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const require = createRequire(import.meta.url);
const script = fileURLToPath(new URL('support/engine-story.ts', import.meta.url));

const told = [
  true,
  20,
  [[['order'], ['order']]],
  20,
  -1,
  19,
  20,
  20,
  [
    'instance 1 born',
    'apply discount: initializing',
    'apply discount: starting',
    'instance 1 -> universe 1',
    'apply discount: completing',
    'apply discount: complete',
    'revert discount: initializing',
    'revert discount: starting',
    'instance 1 -> universe 2',
    'revert discount: completing',
    'revert discount: complete',
  ],
];

describe.each([
  ['node22', 'v22.18.0'],
  ['node24', 'v24.12.0'],
  ['node', 'v26.10.0'],
])('%s', (name, version) => {
  const node = join(dirname(require.resolve(`${name}/package.json`)), 'bin/node');
  const run = (...args: string[]): string =>
    execFileSync(node, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

  test(`is ${version}`, () => {
    expect(run('--version')).toBe(version);
  });

  test('applies, waits and reverts alike', () => {
    expect(JSON.parse(run(script))).toEqual(told);
  });
});

test('npm runs everything else on the pinned Node', () => {
  expect(process.version).toBe('v26.10.0');
});
