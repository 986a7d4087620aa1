// The engines that users may have: each passes the self-test of the activeness check and tells the same story.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const require = createRequire(import.meta.url);
const script = fileURLToPath(new URL('support/engine-story.ts', import.meta.url));

const jspiScript = fileURLToPath(new URL('support/jspi-story.ts', import.meta.url));

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

/** Nothing is in the way of the first patch; the second has to wait for the order that is suspended. */
const toldOfJspi = [[], [['suspended', ['order']]], 2, 1, true, 9];

const nodeOf = (name: string): string => join(dirname(require.resolve(`${name}/package.json`)), 'bin/node');

describe.each([
  ['node24', ['--experimental-wasm-jspi']],
  ['node', []],
])('%s with JSPI', (name, flags) => {
  test('knows what is suspended', () => {
    const output = execFileSync(nodeOf(name), [...flags, jspiScript], { encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual(toldOfJspi);
  });
});

describe.each([
  ['node22', 'v22.18.0'],
  ['node24', 'v24.12.0'],
  ['node', 'v26.10.0'],
])('%s', (name, version) => {
  const node = nodeOf(name);
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
