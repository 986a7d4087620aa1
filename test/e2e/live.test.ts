// The commands that talk to a live program, against a Node program that embeds wgraft.

import { open, readdir } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { type Ended, type Sandbox, sandbox, transcript } from '../support/cli.ts';

let program: AnswerProgram;
let other: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
  other = await answerProgram(3);
});

async function start(): Promise<Sandbox> {
  const box = await sandbox();
  await box.write('app.wasm', program.prepared);
  await box.write('fix.wgp', program.fix);
  await box.write('other.wgp', other.fix);
  return box;
}

async function golden(box: Sandbox, name: string, command: string): Promise<Ended> {
  const ended = await box.wgraft(...command.split(' '));
  await expect(transcript(`wgraft ${command}`, ended, box)).toMatchFileSnapshot(`golden/live/${name}.txt`);
  return ended;
}

/** Asks every instance of a live host. */
async function answers(host: Awaited<ReturnType<Sandbox['host']>>, expected: string): Promise<void> {
  host.write('answer\n');
  await host.says(`answers ${expected}\n`);
}

describe('a patch goes on and comes off', () => {
  test('and every command says what is', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api', 3);
    await answers(host, '1 1 1');
    await golden(box, 'ps', 'ps');
    await golden(box, 'status', 'status');
    await golden(box, 'dry-run', 'apply fix.wgp --dry-run');
    await answers(host, '1 1 1');

    const applied = await golden(box, 'apply', 'apply fix.wgp api');
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    await answers(host, '2 2 2');
    await golden(box, 'status-applied', 'status api');
    expect(await box.wgraft('check')).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    await golden(box, 'blocking-none', 'blocking');

    // The same patch twice: nothing to do, and nothing done.
    expect((await golden(box, 'apply-twice', 'apply fix.wgp')).code).toBe(3);
    expect((await golden(box, 'dry-run-twice', 'apply fix.wgp -n --json')).code).toBe(3);
    await answers(host, '2 2 2');

    expect((await golden(box, 'revert-unknown', 'revert other')).code).toBe(3);
    expect((await golden(box, 'revert', 'revert fix api')).code).toBe(0);
    expect((await golden(box, 'revert-twice', 'revert')).code).toBe(3);
    host.write('answer\n');
    await expect.poll(() => host.output.stdout.match(/answers 1 1 1/g)?.length, { timeout: 10_000 }).toBe(3);
  });

  test('with --json each command prints one document', async () => {
    await using box = await start();
    await box.host('app.wasm', 'api', 2);
    await golden(box, 'ps-json', 'ps --json');
    await golden(box, 'status-json', 'status --json');
    await golden(box, 'apply-json', 'apply fix.wgp --json');
    await golden(box, 'blocking-json', 'blocking --json');
    await golden(box, 'check-json', 'check --json');
    await golden(box, 'revert-json', 'revert --json');
    expect((await golden(box, 'revert-json-failed', 'revert --json')).code).toBe(3);
  });

  test('by pid, by name, by socket path and by $WGRAFT_SOCKET', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    const socket = `${box.sockets}/api-${host.pid}.sock`;
    for (const target of [String(host.pid), 'api', socket]) {
      expect((await box.wgraft('status', target)).stdout).toContain(`api (pid ${host.pid})`);
      expect((await box.wgraft('status', '-s', target)).code).toBe(0);
    }
    expect((await box.wgraftWith({ env: { WGRAFT_SOCKET: 'api' } }, 'status')).code).toBe(0);
    expect((await box.wgraftWith({ env: { WGRAFT_SOCKET: 'nobody' } }, 'status')).code).toBe(6);
  });

  test('--no-wait returns when the transition has begun', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    const { code, stdout } = await box.wgraft('apply', 'fix.wgp', '--no-wait');
    expect(code).toBe(0);
    expect(stdout).toContain(`fix -> api (pid ${host.pid})`);
    await expect.poll(() => box.wgraft('check').then((e) => e.code), { timeout: 10_000 }).toBe(0);
    await answers(host, '2');
  });

  test('a patch comes from stdin too', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    expect((await box.wgraftWith({ input: program.fix }, 'apply', '-')).code).toBe(0);
    await answers(host, '2');
  });
});

describe('what is no patch for the program is refused', () => {
  test('a patch for another program', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    expect((await golden(box, 'apply-other', 'apply other.wgp')).code).toBe(4);
    expect((await golden(box, 'apply-other-json', 'apply other.wgp --json')).code).toBe(4);
    expect((await golden(box, 'dry-run-other', 'apply other.wgp -n')).code).toBe(4);
    await answers(host, '1');
  });

  test('200 MB of garbage, without reading it', async () => {
    await using box = await start();
    await big(box, 'garbage.wgp', 'garbage');
    await big(box, 'huge.wgp', '\0asm\x01\0\0\0');
    // Nothing runs: the file is refused before anybody looks for a program.
    expect((await golden(box, 'apply-garbage', 'apply garbage.wgp')).code).toBe(4);
    expect((await golden(box, 'apply-huge', 'apply huge.wgp')).code).toBe(4);
    expect((await box.wgraft('apply', 'garbage.wgp', '--json')).stdout).toContain('"WGRAFT_ERR_NOT_A_PATCH"');
    // Whoever read these would not be done before the test's time is over.
    await big(box, 'endless.wgp', 'garbage', 1e11);
    await big(box, 'endless-module.wgp', '\0asm\x01\0\0\0', 1e11);
    expect((await box.wgraft('apply', 'endless.wgp')).stderr).toContain('it is no WebAssembly module at all');
    expect((await box.wgraft('apply', 'endless-module.wgp')).code).toBe(4);
  });

  test('a module, a truncated patch, a patch with one byte changed, no file, a folder', async () => {
    await using box = await start();
    await box.host('app.wasm', 'api');
    await box.write('cut.wgp', program.fix.subarray(0, 120));
    const changed = Uint8Array.from(program.fix);
    changed[60] = (changed[60] ?? 0) ^ 1;
    await box.write('changed.wgp', changed);
    expect((await golden(box, 'apply-module', 'apply app.wasm')).code).toBe(4);
    expect((await golden(box, 'apply-cut', 'apply cut.wgp')).code).toBe(4);
    expect((await golden(box, 'apply-changed', 'apply changed.wgp')).code).toBe(4);
    expect((await golden(box, 'apply-missing', 'apply none.wgp')).code).toBe(1);
    expect((await golden(box, 'apply-folder', 'apply .')).code).toBe(1);
  });

  async function big(box: Sandbox, name: string, start: string, sizeBytes = 2e8): Promise<void> {
    await box.write(name, start);
    await using file = await open(box.path(name), 'r+');
    await file.truncate(sizeBytes);
  }
});

describe('finding the program', () => {
  test('none runs', async () => {
    await using box = await start();
    expect((await golden(box, 'none-ps', 'ps')).code).toBe(0);
    expect((await golden(box, 'none-status', 'status')).code).toBe(6);
    expect((await golden(box, 'none-apply', 'apply fix.wgp --json')).code).toBe(6);
  });

  test('two of one name: the pid decides', async () => {
    await using box = await start();
    const [one, two] = [await box.host('app.wasm', 'api'), await box.host('app.wasm', 'api')];
    const pids = [one.pid, two.pid].sort((a, b) => a - b);
    expect(await box.wgraft('apply', 'fix.wgp', 'api')).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: [
        `wgraft: 2 live programs are called "api": api (pid ${pids[0]}), api (pid ${pids[1]})`,
        '  hint: name one by its pid',
        '  code: WGRAFT_ERR_TARGET_AMBIGUOUS',
        '',
      ].join('\n'),
    });
    expect((await golden(box, 'two-status', 'status')).code).toBe(2);
    expect((await box.wgraft('apply', 'fix.wgp', String(two.pid))).code).toBe(0);
    await answers(one, '1');
    await answers(two, '2');
    expect((await golden(box, 'two-unknown', 'status web')).code).toBe(6);
  });

  test('a killed one leaves a stale socket, which is removed and reported', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    await host.kill('SIGKILL');
    expect(await readdir(box.sockets)).toEqual([`api-${host.pid}.sock`]);
    expect((await golden(box, 'stale-ps', 'ps')).code).toBe(0);
    expect(await readdir(box.sockets)).toEqual([]);

    const again = await box.host('app.wasm', 'api');
    await again.kill('SIGKILL');
    const file = `${box.sockets}/api-${again.pid}.sock`;
    const ended = await box.wgraft('apply', 'fix.wgp', file);
    expect(ended.code).toBe(6);
    expect(ended.stderr).toContain('its process is gone; the stale socket was removed');
    expect(await readdir(box.sockets)).toEqual([]);
  });

  test('a stale socket beside a live program is no candidate', async () => {
    await using box = await start();
    const [dead, alive] = [await box.host('app.wasm', 'api'), await box.host('app.wasm', 'api')];
    await dead.kill('SIGKILL');
    const ended = await box.wgraft('apply', 'fix.wgp', 'api');
    expect(ended.code).toBe(0);
    expect(ended.stderr).toBe(
      `wgraft: removed a stale socket, its process is gone: ${box.sockets}/api-${dead.pid}.sock\n`,
    );
    await answers(alive, '2');
  });

  test('a program that ends takes its socket with it', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    host.write('end\n');
    expect((await host.ended).code).toBe(0);
    expect(await readdir(box.sockets)).toEqual([]);
  });

  test('a path where nothing is', async () => {
    await using box = await start();
    expect((await golden(box, 'path-missing', 'status ./none.sock')).code).toBe(6);
    expect((await golden(box, 'path-file', 'status ./app.wasm')).code).toBe(6);
    const long = await box.wgraft('status', `./${'x'.repeat(200)}.sock`);
    expect(long.code).toBe(2);
    expect(long.stderr).toContain('WGRAFT_ERR_CONTROL_PATH');
  });
});

describe('a busy program', () => {
  test('is listed as busy, and a patch waits for it', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    host.write('block 7000\n');
    await host.says('blocking');
    const [ps, apply] = await Promise.all([
      golden(box, 'busy-ps', 'ps'),
      golden(box, 'busy-apply', 'apply fix.wgp'),
    ]);
    expect([ps.code, apply.code]).toEqual([0, 0]);
    await answers(host, '2');
  });

  test('and the waiting has an end', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    host.write('block 30000\n');
    await host.says('blocking');
    expect((await golden(box, 'busy-timeout', 'apply fix.wgp --timeout 3s')).code).toBe(5);
    expect((await golden(box, 'busy-json', 'check --timeout 1s --json')).code).toBe(5);
  });
});
