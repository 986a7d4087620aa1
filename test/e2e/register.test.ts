// `node --import wgraft/register app.mjs`: programs that know nothing of wgraft, and the command that reaches them.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/control/index.ts';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { type Running, type Sandbox, sandbox } from '../support/cli.ts';

const threads = fileURLToPath(new URL('../support/registered/threads.mjs', import.meta.url));

let program: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
});

async function start(): Promise<Sandbox> {
  const box = await sandbox();
  await box.write('answer.wasm', program.kernel);
  await box.write('fix.wgp', program.fix);
  return box;
}

/** Asks until every instance gives the answer that is wanted: threads switch one by one. */
async function answers(app: Running, wanted: string): Promise<void> {
  const ask = (): string | undefined => {
    app.write('answer\n');
    return app.output.stdout.match(/answers .*/g)?.at(-1);
  };
  await expect.poll(ask, { timeout: 20_000 }).toBe(`answers ${wanted}`);
}

const all = { WGRAFT_SLOTS: 'all' };

test('threads: all are listed, patched, born patched and reverted', async () => {
  await using box = await start();
  const app = box.registered([threads, 'answer.wasm'], all);
  await app.says('ready');
  app.write('worker\n');
  await app.says('worker 1');
  app.write('worker\n');
  await app.says('worker 2');

  await expect.poll(() => readdir(box.sockets).catch(() => []), { timeout: 20_000 }).toHaveLength(1);
  await using client = await connect('threads', { folder: box.sockets });
  const rows = async (): Promise<string[][]> => {
    const { programs } = await client.status();
    return programs.map((p) => [p.name, String(p.instances.length), ...p.patches.map(({ name }) => name)]);
  };
  const names = async (): Promise<string[]> =>
    (await rows()).map(([name = '']) => name.replace(/@\d+$/, '@N'));
  await expect.poll(names, { timeout: 20_000 }).toEqual(['threads', 'threads@N', 'threads@N']);

  const applied = await box.wgraft('apply', 'fix.wgp', '--json');
  expect(JSON.parse(applied.stdout)).toMatchObject({ complete: true, instances: { done: 3, total: 3 } });
  await answers(app, '2 2 2');
  app.write('worker\n');
  await app.says('worker 3');
  await answers(app, '2 2 2 2');
  expect((await rows()).map(([, ...rest]) => rest)).toEqual(Array(4).fill(['1', 'fix']));
  expect((await box.wgraft('apply', 'fix.wgp')).code).toBe(3);

  expect((await box.wgraft('revert', 'fix')).code).toBe(0);
  await answers(app, '1 1 1 1');
  expect((await box.wgraft('revert')).code).toBe(3);
  app.write('end\n');
  expect((await app.ended).code).toBe(0);
  expect(await readdir(box.sockets)).toEqual([]);
});

test('a busy main thread: ps and status answer, a patch waits for it and says so', async () => {
  await using box = await start();
  const app = box.registered([threads, 'answer.wasm'], all);
  await app.says('ready');
  await expect.poll(() => readdir(box.sockets).catch(() => []), { timeout: 20_000 }).toHaveLength(1);
  await using client = await connect('threads', { folder: box.sockets });
  expect((await client.status()).programs).toMatchObject([{ name: 'threads', transition: undefined }]);
  app.write('block free\n');
  await app.says('blocking');
  expect((await box.wgraft('ps')).stdout).toMatch(/threads +\d+ +ready/);
  expect((await box.wgraft('status')).stdout).toMatch(/threads .* settled, busy: no answer for \S+/);
  const stalled = await box.wgraft('apply', 'fix.wgp', '--timeout', '1s');
  expect(stalled.code).toBe(5);
  expect(stalled.stderr).toContain('the event loop of "threads" has not turned for');
  const waiting = { patch: 'fix', direction: 'apply', instances: { done: 0, total: 1 } };
  expect((await client.status()).programs).toMatchObject([{ transition: waiting }]);
  await box.write('free', '');
  await answers(app, '2');
});

describe('the cache', () => {
  test('is shared, made again where it is damaged, and bounded', async () => {
    await using box = await start();
    const run = async (env: Record<string, string> = {}): Promise<void> => {
      const app = box.registered([threads, 'answer.wasm'], { ...all, ...env });
      await app.says('ready');
      await answers(app, '1');
      app.write('end\n');
      expect((await app.ended).stderr).toBe('');
    };
    await Promise.all([run(), run(), run()]);
    const [entry = '', ...more] = await readdir(box.cache);
    expect(more).toEqual([]);
    const good = await readFile(`${box.cache}/${entry}`);
    await writeFile(`${box.cache}/${entry}`, good.subarray(0, 100));
    await run();
    expect(await readFile(`${box.cache}/${entry}`)).toEqual(good);
    await box.write('wgraft.config.json', '{ "cacheLimitBytes": 10 }');
    await run({ WGRAFT_SLOTS: 'entry' });
    // What was just made stays in any case.
    expect(await readdir(box.cache)).toEqual([expect.not.stringContaining(entry)]);
  });
});

test('wgraft register --explain says what would be done, and the program runs as ever', async () => {
  await using box = await start();
  await box.write(
    'app.mjs',
    `import { readFileSync } from 'node:fs';
     const imports = { wasi_snapshot_preview1: { fd_read() {}, fd_write() {}, proc_exit() {} } };
     for (const file of ['answer.wasm', 'one.slots.wasm', 'empty.wasm'])
       console.log(Object.keys((await WebAssembly.instantiate(readFileSync(file), imports)).instance.exports).length);
     process.exit(Number(process.argv[2]));`,
  );
  await box.write('one.slots.wasm', program.prepared);
  await box.write('empty.wasm', Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const { code, stdout, stderr } = await box.wgraft('register', '--explain', 'app.mjs', '--', '7');
  expect([code, stdout]).toEqual([7, '3\n3\n0\n']);
  expect(
    stderr
      .replace(/\d+ (bytes|ms)/g, 'N $1')
      .trim()
      .split('\n'),
  ).toEqual([
    'wgraft: app, N bytes: prepared, made, N ms',
    'wgraft: app, N bytes: left, it has slots already',
    'wgraft: app, N bytes: left, no function of it can have a slot',
  ]);
});

describe('what cannot be prepared', () => {
  test('runs unprepared, with one warning', async () => {
    await using box = await start();
    await box.write(
      'app.mjs',
      `const bytes = Uint8Array.from(atob(process.argv[2]), (c) => c.charCodeAt(0));
       for (let i = 0; i < 3; i += 1) console.log((await WebAssembly.instantiate(bytes)).instance.exports.__wgraft_x());`,
    );
    const { wat } = await import('../support/wat.ts');
    const reserved = wat('(module (func (export "__wgraft_x") (result i32) (i32.const 5)))');
    const ended = await box.registered(['app.mjs', Buffer.from(reserved).toString('base64')]).ended;
    expect(ended.stdout).toBe('5\n5\n5\n');
    expect(ended.stderr.match(/WgraftWarning/g)).toHaveLength(1);
    expect(ended.stderr).toMatch(/app \(\d+ bytes\) runs unprepared and cannot be patched: .*__wgraft_x/);
  });

  test('a configuration that is wrong is said, and the program runs without wgraft', async () => {
    await using box = await start();
    await box.write('wgraft.config.json', '{ "slots": "some" }');
    const app = box.registered([threads, 'answer.wasm']);
    await app.says('wgraft is off: ');
    await app.says('ready');
    await answers(app, '1');
    expect(app.output.stderr).toContain('wgraft.config.json: "slots" must be');
  });

  test('and a folder that is not to be had keep no program from running', async () => {
    await using box = await start();
    await box.write('file', '');
    const app = box.registered([threads, 'answer.wasm'], {
      WGRAFT_CACHE_DIR: box.path('file/cache'),
      WGRAFT_SOCKET_DIR: box.path('file/sockets'),
    });
    await app.says('cannot be kept in the cache: part of the path is not a folder');
    await app.says('the wgraft command cannot reach this process');
    await answers(app, '1');
  });
});
