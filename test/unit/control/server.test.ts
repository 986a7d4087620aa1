// The control socket from the program's side: its file, its folder, and clients of every kind.

import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect, listen, protocol } from '../../../src/control/index.ts';
import { patchSizeLimitBytes } from '../../../src/patch/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { frame, rawClient } from '../../support/raw-client.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wgraft-control-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hello = { jsonrpc: '2.0', id: 0, method: 'hello', params: { protocol } };

describe('the socket file', () => {
  test('is the owner’s only, and goes with the server', async () => {
    const sockets = join(folder, 'a', 'b');
    const server = await listen({ name: 'api', folder: sockets }, new Patcher());
    expect(server.path).toBe(join(sockets, `api-${process.pid}.sock`));
    expect((await lstat(sockets)).mode & 0o777).toBe(0o700);
    expect((await lstat(server.path)).mode & 0o777).toBe(0o600);
    await server.close();
    await server.close();
    expect(await readdir(sockets)).toEqual([]);
  });

  test('does not keep the process alive, and goes with it', async () => {
    const index = new URL('../../../src/index.ts', import.meta.url).href;
    const script = `
      const { listen } = await import(${JSON.stringify(index)});
      console.log((await listen({ name: 'api', folder: ${JSON.stringify(folder)} })).path);`;
    const args = ['--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
    expect(stdout.trim()).toMatch(/\/api-\d+\.sock$/);
    expect(await readdir(folder)).toEqual([]);
  });

  test('of a killed process with our pid is replaced', async () => {
    const path = join(folder, `api-${process.pid}.sock`);
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(join(folder, 'x.sock'), resolve));
    await rename(join(folder, 'x.sock'), path);
    await new Promise((resolve) => dead.close(resolve));
    expect(await readdir(folder)).toEqual([`api-${process.pid}.sock`]);
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using client = await connect(server.path);
    expect(client.hello.pid).toBe(process.pid);
  });

  test('that is in use is not', async () => {
    await using first = await listen({ name: 'api', folder }, new Patcher());
    await expect(listen({ name: 'api', folder }, new Patcher())).rejects.toMatchObject({
      code: 'WGRAFT_ERR_CONTROL_LISTEN',
      details: { path: first.path, reason: 'the address is in use' },
    });
    await using client = await connect(first.path);
    expect(client.hello.name).toBe('api');
  });

  test.each(['', 'a/b', '.hidden', 'a b', 'ä', 'x'.repeat(65)])('cannot have the name "%s"', async (name) => {
    await expect(listen({ name, folder }, new Patcher())).rejects.toMatchObject({
      code: 'WGRAFT_ERR_CONTROL_NAME',
    });
  });

  test('cannot have a path that the system would cut', async () => {
    const deep = join(folder, 'x'.repeat(100));
    await expect(listen({ name: 'api', folder: deep }, new Patcher())).rejects.toMatchObject({
      code: 'WGRAFT_ERR_CONTROL_PATH',
      details: { sizeBytes: Buffer.byteLength(join(deep, `api-${process.pid}.sock`)), limitBytes: 107 },
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('the folder is refused', () => {
  const refusal = (at: string, reason: string): object => ({
    code: 'WGRAFT_ERR_CONTROL_FOLDER',
    details: { folder: at, reason },
  });

  test('where others can open it', async () => {
    await chmod(folder, 0o750);
    const error = refusal(folder, 'others can open it (mode 0750)');
    await expect(listen({ name: 'api', folder }, new Patcher())).rejects.toMatchObject(error);
    await expect(connect('api', { folder })).rejects.toMatchObject(error);
  });

  test('where it is a link or a file', async () => {
    const [target, link, file] = [join(folder, 'target'), join(folder, 'link'), join(folder, 'file')];
    await mkdir(target, { mode: 0o700 });
    await symlink(target, link);
    await writeFile(file, '');
    for (const at of [link, file]) {
      await expect(connect('api', { folder: at })).rejects.toMatchObject(refusal(at, 'it is not a folder'));
    }
    await expect(listen({ name: 'api', folder: link }, new Patcher())).rejects.toMatchObject(
      refusal(link, 'it is not a folder'),
    );
  });

  test.runIf(process.getuid?.() === 0)('where it belongs to another user', async () => {
    await chown(folder, 12345, 12345);
    const error = refusal(folder, 'it belongs to another user (uid 12345)');
    await expect(listen({ name: 'api', folder }, new Patcher())).rejects.toMatchObject(error);
  });
});

describe('a client', () => {
  test('must say hello first, in a version that is known', async () => {
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using raw = rawClient(server.path);
    raw.send({ jsonrpc: '2.0', id: 1, method: 'status' });
    expect(await raw.next()).toMatchObject({ id: 1, error: problem('the first request must be hello') });
    const future = { ...hello, id: 2, params: { protocol: { major: 2, minor: 0 } } };
    raw.send(future);
    const reason = 'the client speaks version 2, this program version 1';
    expect(await raw.next()).toMatchObject({ id: 2, error: problem(reason) });
    raw.send({ jsonrpc: '2.0', id: 3, method: 'status' });
    expect(await raw.next()).toMatchObject({ id: 3, error: problem('the first request must be hello') });
    raw.send({ ...hello, params: { protocol: { major: 1, minor: 99 }, more: true } });
    expect(await raw.next()).toMatchObject({ id: 0, result: { name: 'api', pid: process.pid, protocol } });
    raw.send({ jsonrpc: '2.0', id: 4, method: 'status' });
    expect(await raw.next()).toMatchObject({ id: 4, result: { pid: process.pid, programs: [] } });
  });

  test.each([
    ['an unknown method', 'toString', {}, 'unknown method "toString"'],
    ['a patch that is missing', 'apply', {}, 'apply.patch: expected "patch"'],
    ['parameters by position', 'apply', ['AA=='], 'apply.patch: expected "patch"'],
    ['a patch that is a number', 'verify', { patch: 1 }, 'verify.patch: expected string'],
    ['a patch that is not base64', 'verify', { patch: 'AA*=' }, 'the patch is not base64'],
    ['base64 of a wrong length', 'verify', { patch: 'AAAAA' }, 'the patch is not base64'],
    ['a time-out that is none', 'apply', { patch: '', timeoutMs: -1 }, 'apply.timeoutMs: expected >=0'],
    ['an endless time-out', 'revert', { timeoutMs: 1e300 }, 'revert.timeoutMs: expected <=2147483647'],
  ])('is told of %s', async (_, method, params, reason) => {
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using raw = rawClient(server.path);
    raw.send(hello);
    await raw.next();
    raw.send({ jsonrpc: '2.0', id: 1, method, params });
    expect(await raw.next()).toMatchObject({ id: 1, error: problem(reason) });
  });

  test('cannot send a patch above the limit', async () => {
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using raw = rawClient(server.path);
    raw.send(hello);
    await raw.next();
    const patch = 'A'.repeat(Math.ceil((patchSizeLimitBytes + 3) / 3) * 4);
    raw.send({ jsonrpc: '2.0', id: 1, method: 'apply', params: { patch } });
    expect(await raw.next()).toMatchObject({
      error: { data: { code: 'WGRAFT_ERR_PATCH_TOO_LARGE', details: { limitBytes: patchSizeLimitBytes } } },
    });
  });

  test('that sends garbage loses its connection, and nobody else notices', async () => {
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using good = await connect(server.path);
    const garbage = [
      'hello\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      'Content-Length: 99999999999\r\n\r\n',
      'Content-Length: 5\r\n\r\nhello',
      frame(null),
      frame([]),
      frame(7),
      frame({ jsonrpc: '2.0' }),
      frame({ jsonrpc: '2.0', method: '$/cancelRequest' }),
      'x'.repeat(5000),
      '\0'.repeat(70_000),
    ];
    for (const bytes of garbage) {
      await using raw = rawClient(server.path);
      raw.socket.write(bytes);
      await raw.closed;
      expect(await good.status()).toEqual({ pid: process.pid, programs: [] });
    }
  });

  test('that stops in the middle of a message, or goes, disturbs nobody', async () => {
    await using server = await listen({ name: 'api', folder }, new Patcher());
    await using half = rawClient(server.path);
    half.socket.write(frame(hello).slice(0, -5));
    await using gone = rawClient(server.path);
    gone.send(hello);
    gone.send({ jsonrpc: '2.0', id: 1, method: 'subscribe' });
    gone.send({ jsonrpc: '2.0', id: 2, method: 'status' });
    gone.socket.destroy();
    await using good = await connect(server.path);
    expect(await good.status()).toEqual({ pid: process.pid, programs: [] });
    half.socket.write(frame(hello).slice(-5));
    expect(await half.next()).toMatchObject({ id: 0, result: { name: 'api' } });
  });

  function problem(reason: string): object {
    return { code: -32000, data: { code: 'WGRAFT_ERR_PROTOCOL', details: { reason } } };
  }
});
