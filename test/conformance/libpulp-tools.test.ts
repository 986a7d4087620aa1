// libpulp's tests of its tools (cases 157, 161, 164-166, 170) as far as they are about more than one process, or about none that can
// be patched; the README says where the others are.

import { beforeAll, expect, test } from 'vitest';
import { connect, discover } from '../../src/control/index.ts';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { sandbox } from '../support/cli.ts';

let program: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
});

// - a process without wgraft, and a pid that is nobody's: said so, and nothing is changed
// - a module that was not prepared is no target, and its exit code says so
test('157: nolibpulp, 164: patches, 166: livepatchable', async () => {
  await using box = await sandbox();
  await box.write('plain.wasm', program.kernel);
  await box.write('fix.wgp', program.fix);
  const unprepared = await box.wgraft('apply', 'fix.wgp', String(process.pid));
  expect([unprepared.code, unprepared.stderr.split('\n')[0]]).toEqual([
    6,
    `wgraft: no live program "${process.pid}"`,
  ]);
  const absent = await box.wgraft('status', '4194305');
  expect([absent.code, absent.stderr.split('\n')[0]]).toEqual([6, 'wgraft: no live program "4194305"']);
  const plain = await box.wgraft('verify', 'fix.wgp', '--target', 'plain.wasm');
  expect(plain.code).toBe(4);
  expect(plain.stderr).toContain('plain.wasm is not a prepared module');
});

// - three processes of one program, two instances each; each is found, patched and counted; all come off again
// - one of them closes its socket: it cannot be patched any more, and the others can
test('161: manyprocesses, 170: set_patchable', async () => {
  await using box = await sandbox();
  await box.write('app.wasm', program.prepared);
  const hosts = await Promise.all([0, 1, 2].map(() => box.host('app.wasm', 'api', 2)));
  const folder = box.sockets;
  const found = async (): Promise<number[]> => (await discover({ folder })).programs.map((p) => p.pid).sort();
  expect(await found()).toEqual(hosts.map((h) => h.pid).sort());
  const each = async <T>(act: (client: Awaited<ReturnType<typeof connect>>) => Promise<T>): Promise<T[]> => {
    const done: T[] = [];
    for (const pid of await found()) {
      await using client = await connect(String(pid), { folder });
      done.push(await act(client));
    }
    return done;
  };
  const patched = { done: 2, total: 2 };
  expect(await each(async (c) => (await c.apply(program.fix)).instances)).toEqual([
    patched,
    patched,
    patched,
  ]);
  for (const host of hosts) {
    host.write('answer\n');
    await host.says('answers 2 2');
  }
  expect(await each(async (c) => (await c.revert(undefined)).complete)).toEqual([true, true, true]);
  hosts[0]?.write('end\n');
  await hosts[0]?.ended;
  expect(await each(async (c) => (await c.apply(program.fix)).complete)).toEqual([true, true]);
});
