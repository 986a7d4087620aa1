// The command line against a program with threads: one socket, one patch, all threads.

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { type Ended, sandbox, transcript } from '../support/cli.ts';
import { kernel, returning } from '../support/threads/kernel.ts';
import { wat } from '../support/wat.ts';

const host = fileURLToPath(new URL('../support/threads/live-host.ts', import.meta.url));

/** Makes `slow`, which waits at a gate and answers 1, answer 2 at once. */
async function slowTwo(): Promise<Uint8Array> {
  const { bytes: target } = await prepare(wat(kernel), { slots: 'all' });
  const source = { kind: 'wat', text: returning('slow', 2, '(param i32)'), file: 'two.wat' } as const;
  return (await buildPatch({ target, name: 'two', replacements: [{ function: 'slow', source }] })).bytes;
}

// - thread 1 waits inside the changed function: thread 2 switches, thread 1 is named as the one in the way, with its stack
// - a second patch is refused; revert takes it back, and thread 1 ends in the code that it began in
// - with nobody in the way it goes on, and comes off, in both
test('two threads are listed, patched, waited for and reverted as one', async () => {
  await using box = await sandbox();
  await box.write('two.wgp', await slowTwo());
  const golden = async (name: string, command: string): Promise<Ended> => {
    const ended = await box.wgraft(...command.split(' '));
    await expect(transcript(`wgraft ${command}`, ended, box)).toMatchFileSnapshot(
      `golden/threads/${name}.txt`,
    );
    return ended;
  };
  const pool = box.node([host]);
  await pool.says('ready');
  const tells = async (line: string, answer: string): Promise<void> => {
    pool.write(`${line}\n`);
    await pool.says(`${answer}\n`);
  };
  expect((await golden('ps', 'ps')).code).toBe(0);
  expect((await golden('status', 'status pool')).code).toBe(0);

  pool.write('call 1 slow 0\n');
  await tells('await 0', 'gate 0 is reached');
  expect((await golden('stalled', 'apply two.wgp pool --timeout 1s')).code).toBe(5);
  expect((await golden('status-stalled', 'status')).code).toBe(0);
  expect((await golden('blocking', 'blocking -v')).code).toBe(0);
  expect((await golden('second', 'apply two.wgp')).code).toBe(1);
  await tells('call 2 slow 7', 't2 slow 7 = 2');

  expect((await golden('revert-stalled', 'revert')).code).toBe(0);
  await tells('open 0', 't1 slow 0 = 1');
  await tells('call 2 slow 0', 't2 slow 0 = 1');

  expect((await golden('apply', 'apply two.wgp')).code).toBe(0);
  await tells('call 1 slow 6', 't1 slow 6 = 2');
  expect((await golden('status-applied', 'status')).code).toBe(0);
  expect((await golden('revert', 'revert')).code).toBe(0);
  pool.child.stdin?.end();
  expect((await pool.ended).code).toBe(0);
});
