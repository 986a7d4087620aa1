// Workers that Node would start without the hook have it all the same, on every Node, and see their options as they were given.
// - of four workers two have options of their own, two are made from text: all run, and are listed with their thread ids
// - a patch reaches them, and so does the revert
// - where the process has an option that no worker can be given, one from text starts as ever, without the hook

import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { connect } from '../../src/control/index.ts';
import { answerProgram } from '../support/answer-program.ts';
import { sandbox } from '../support/cli.ts';

const require = createRequire(import.meta.url);
const program = fileURLToPath(new URL('../support/registered/workers.mjs', import.meta.url));
const cases = [
  ['node22', [], 4],
  ['node24', [], 4],
  ['node', [], 4],
  ['node', ['--expose-gc'], 3],
] as const;

test.each(cases)('%s %s: %i workers have the hook', async (name, options, covered) => {
  await using box = await sandbox();
  const { kernel, fix } = await answerProgram();
  await box.write('answer.wasm', kernel);
  await box.write('fix.wgp', fix);
  const node = join(dirname(require.resolve(`${name}/package.json`)), 'bin/node');
  const app = box.registeredOn(node, [...options, program, 'answer.wasm'], { WGRAFT_SLOTS: 'all' });
  await app.says('ready');
  const execArgv = JSON.parse(app.output.stdout.split('\n')[0] ?? '') as string[][];
  expect(execArgv.map((given) => given.filter((o) => /require|preload/.test(o)))).toEqual([[], [], [], []]);
  expect([execArgv[0], execArgv[1], execArgv[3]]).toEqual([[], ['--no-warnings'], ['--no-warnings']]);
  expect(execArgv[2]).toContain('--import');

  const answers = (wanted: string): Promise<void> => {
    const ask = (): string | undefined => {
      app.write('answer\n');
      return app.output.stdout.match(/answers .*/g)?.at(-1);
    };
    return expect.poll(ask, { timeout: 20_000 }).toBe(`answers ${wanted}`);
  };
  await answers('1 1 1 1');
  await expect.poll(() => readdir(box.sockets).catch(() => []), { timeout: 20_000 }).toHaveLength(1);
  await using client = await connect('workers', { folder: box.sockets });
  const listed = async (): Promise<number> => (await client.status()).programs.length;
  await expect.poll(listed, { timeout: 20_000 }).toBe(covered);
  expect((await box.wgraft('apply', 'fix.wgp')).code).toBe(0);
  await answers(covered === 4 ? '2 2 2 2' : '2 2 1 2');
  expect((await box.wgraft('revert', 'fix')).code).toBe(0);
  await answers('1 1 1 1');
  app.write('end\n');
  expect((await app.ended).stderr).toBe('');
});
