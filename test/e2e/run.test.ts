// wgraft run: the program's own streams and exit code, and the cache of prepared modules.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { type Ended, type Sandbox, sandbox } from '../support/cli.ts';
import { compileCFile } from '../support/compile-c.ts';

let program: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
});

async function start(): Promise<Sandbox> {
  const box = await sandbox();
  await box.write('app.wasm', program.kernel);
  await box.write('app.slots.wasm', program.prepared);
  return box;
}

describe('the program', () => {
  test('has its own stdin, stdout and exit code, and takes its socket with it', async () => {
    await using box = await start();
    const ended = await box.wgraftWith({ input: 'abc' }, 'run', 'app.wasm');
    expect(ended).toMatchObject({ code: 7, signal: null, stdout: '1\n1\n1\n' });
    expect(ended.stderr).toMatch(/^wgraft: app \(pid \d+\) can be patched: wgraft apply FIX.wgp app\n$/);
    expect(await readdir(box.sockets)).toEqual([]);
  });

  test('says nothing with -q', async () => {
    await using box = await start();
    const ended = await box.wgraftWith({ input: 'a' }, 'run', '-q', 'app.slots.wasm');
    expect(ended).toEqual({ code: 7, signal: null, stdout: '1\n', stderr: '' });
  });

  test('is named after its file', async () => {
    await using box = await start();
    await box.write('my app!.slots.wasm', program.prepared);
    const run = box.start('run', 'my app!.slots.wasm');
    await run.says('my-app- (pid');
    expect((await box.wgraft('check', 'my-app-')).code).toBe(0);
  });

  test('can be a kernel that its compiler marked: the hook needs no import', async () => {
    await using box = await start();
    const flags = ['-finstrument-function-entry-bare', '-Wl,--allow-undefined'];
    await box.write('marked.wasm', await compileCFile('wasm-fixtures/inventory/v1.c', { flags }));
    const ended = await box.wgraftWith({ input: 'ADD apple 3\nTOTAL\n' }, 'run', '-q', 'marked.wasm');
    const stdout = '1 OK apple 3\n2 OK 1 items 3 units 2 requests\n';
    expect(ended).toEqual({ code: 0, signal: null, stdout, stderr: '' });
  });

  test('that a signal ends leaves no socket behind', async () => {
    await using box = await start();
    const run = box.start('run', 'app.slots.wasm');
    await run.says('can be patched');
    const ended = await run.kill('SIGTERM');
    expect({ code: ended.code, signal: ended.signal }).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await readdir(box.sockets)).toEqual([]);
  });

  test('is refused before it starts: no module, no file, a name that cannot be', async () => {
    await using box = await start();
    await box.write('text.wasm', 'no module\n');
    expect(await box.wgraft('run', 'text.wasm')).toMatchObject({ code: 4, stdout: '' });
    expect(await box.wgraft('run', 'none.wasm')).toMatchObject({ code: 1, stdout: '' });
    expect(await box.wgraft('run', 'app.wasm', '--name', 'a/b')).toMatchObject({ code: 2, stdout: '' });
    expect(await box.wgraft('run', 'app.wasm', '--env', 'X')).toMatchObject({ code: 2, stdout: '' });
    const asJson = await box.wgraft('run', 'none.wasm', '--json');
    expect(asJson.stdout).toBe('');
    expect(JSON.parse(asJson.stderr)).toMatchObject({ v: 1, error: { code: 'WGRAFT_ERR_FILE' } });
  });
});

describe('the cache', () => {
  async function entry(box: Sandbox): Promise<string> {
    const files = await readdir(box.cache);
    expect(files).toHaveLength(1);
    return join(box.cache, files[0] ?? '');
  }

  test('holds the prepared module, and a damaged entry is made again', async () => {
    await using box = await start();
    const once = (): Promise<unknown> => box.wgraftWith({ input: 'a' }, 'run', '-q', 'app.wasm');
    const expected = { code: 7, signal: null, stdout: '1\n', stderr: '' };
    expect(await once()).toEqual(expected);
    const file = await entry(box);
    const good = await readFile(file);
    for (const bad of [good.subarray(0, good.length / 2), Buffer.alloc(0), Buffer.alloc(good.length, 1)]) {
      await writeFile(file, bad);
      expect(await once()).toEqual(expected);
      expect(await readFile(file)).toEqual(good);
    }
  });

  test('is left alone with --no-cache, and one that cannot be written to is no obstacle', async () => {
    await using box = await start();
    const ended = await box.wgraftWith({ input: 'a' }, 'run', '-q', '--no-cache', 'app.wasm');
    expect(ended).toMatchObject({ code: 7, stdout: '1\n' });
    await expect(readdir(box.cache)).rejects.toThrow('ENOENT');
    await box.write('cache', 'a file where the folder should be');
    const unkept = await box.wgraftWith({ input: 'a' }, 'run', 'app.wasm');
    expect(unkept).toMatchObject({ code: 7, stdout: '1\n' });
    expect(unkept.stderr).toContain(`the prepared module cannot be kept in ${box.cache}`);
  });

  test('is where WGRAFT_CACHE_DIR says, as under the register hook, and nowhere for "off"', async () => {
    await using box = await start();
    const run = (folder: string): Promise<Ended> =>
      box.wgraftWith({ input: 'a', env: { WGRAFT_CACHE_DIR: folder } }, 'run', '-q', 'app.wasm');
    for (const folder of ['off', box.path('elsewhere')])
      expect(await run(folder)).toMatchObject({ code: 7, stdout: '1\n', stderr: '' });
    await expect(readdir(box.cache)).rejects.toThrow('ENOENT');
    expect(await readdir(box.path('elsewhere'))).toHaveLength(1);
  });
});
