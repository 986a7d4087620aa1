// The operations of a real patcher over a real socket, and servers that do not do what they should.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ControlServer, connect, discover, listen, protocol } from '../../../src/control/index.ts';
import type { PatcherEvent } from '../../../src/runtime/index.ts';
import { rawServer } from '../../support/raw-client.ts';
import { type Story, story } from '../../support/story.ts';

const program = '(module (func $answer (export "answer") (result i32) (i32.const 1)))';
const two = '(module (func $answer (export "answer") (result i32) (i32.const 2)))';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wgraft-client-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function live(): Promise<{ app: Story; server: ControlServer }> {
  const app = await story(program);
  return { app, server: await listen({ name: 'api', folder }, app.patcher) };
}

describe('operations over the socket', () => {
  test('are those of the patcher', async () => {
    const { app, server } = await live();
    await using _ = server;
    await using client = await connect('api', { folder });
    const fix = await app.patch('fix', 'answer', two);
    expect(await client.status()).toEqual(await app.patcher.status());
    expect(await client.verify(fix)).toEqual(await app.patcher.verify(fix));
    expect(await client.apply(fix)).toMatchObject({
      program: 'app',
      patch: { name: 'fix', functions: ['answer'] },
      complete: true,
      instances: { done: 1, total: 1 },
    });
    expect(app.exports['answer']()).toBe(2);
    expect(await client.status()).toEqual(await app.patcher.status());
    expect(await client.blocking()).toEqual([]);
    expect(await client.revert('fix')).toMatchObject({ direction: 'revert', complete: true });
    expect(app.exports['answer']()).toBe(1);
  });

  test('fail with the same errors', async () => {
    const { app, server } = await live();
    await using _ = server;
    await using client = await connect(String(process.pid), { folder });
    const fix = await app.patch('fix', 'answer', two);
    await client.apply(fix);
    for (const [here, there] of [
      [() => app.patcher.apply(fix), () => client.apply(fix)],
      [() => app.patcher.revert('other'), () => client.revert('other')],
      [() => app.patcher.verify(new Uint8Array(5)), () => client.verify(new Uint8Array(5))],
    ] as const) {
      const [ours, theirs] = await Promise.all(
        [here(), there()].map((p) => p.catch((error) => error.toJSON())),
      );
      expect(theirs).toEqual(ours);
      expect(ours.code).toMatch(/^WGRAFT_ERR_/);
    }
  });

  test('events come in order, the last one before the answer, and end with the subscription', async () => {
    const { app, server } = await live();
    await using _ = server;
    await using client = await connect(server.path);
    const events: PatcherEvent[] = [];
    const unsubscribe = client.subscribe((event) => events.push(event));
    const direct: PatcherEvent[] = [];
    app.patcher.subscribe((event) => direct.push(event));
    await client.apply(await app.patch('fix', 'answer', two));
    expect(events).toEqual(direct);
    expect(events.at(-1)).toMatchObject({ type: 'transition', step: 'complete' });
    unsubscribe();
    await client.revert(undefined);
    expect(events.filter((e) => e.type === 'transition' && e.direction === 'revert')).toEqual([]);
  });

  test('two clients at once do not mix', async () => {
    const { app, server } = await live();
    await using _ = server;
    await using one = await connect(server.path);
    await using other = await connect(server.path);
    const fix = await app.patch('fix', 'answer', two);
    const results = await Promise.allSettled([
      one.apply(fix),
      other.apply(fix),
      one.status(),
      other.blocking(),
    ]);
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  });

  test('a server that closes ends the wait', async () => {
    const { server } = await live();
    await using client = await connect(server.path);
    await server.close();
    await client.closed;
    await expect(client.status()).rejects.toMatchObject({
      code: 'WGRAFT_ERR_CONTROL_LOST',
      message: `api (pid ${process.pid}) went away during status: nothing was changed by this command`,
    });
  });
});

describe('a server that', () => {
  const path = (): string => join(folder, `odd-${process.pid}.sock`);
  const hello = { protocol, name: 'odd', pid: 1, wgraft: '9', node: 'v1', started: 'x' };

  test('does not answer is busy: said after a while, given up in the end', async () => {
    await using _ = await rawServer(path(), () => undefined);
    const busy: string[] = [];
    const waiting = connect('odd', {
      folder,
      busyMs: 50,
      timeoutMs: 300,
      onBusy: (label) => busy.push(label),
    });
    await expect(waiting).rejects.toMatchObject({
      code: 'WGRAFT_ERR_CONTROL_BUSY',
      details: { target: `odd (pid ${process.pid})`, during: 'hello', waitedMs: 300 },
    });
    expect(busy).toEqual([`odd (pid ${process.pid})`]);
  });

  test('answers pings while a request takes long is not busy', async () => {
    await using _ = await rawServer(path(), ({ method }) => {
      if (method === 'hello') return { result: hello };
      return method === 'ping' ? { result: null } : undefined;
    });
    const busy: string[] = [];
    await using client = await connect('odd', {
      folder,
      busyMs: 50,
      timeoutMs: 400,
      onBusy: (l) => busy.push(l),
    });
    await expect(client.status()).rejects.toMatchObject({ code: 'WGRAFT_ERR_CONTROL_BUSY' });
    expect(busy).toEqual([]);
  });

  test('speaks another version is refused', async () => {
    const future = { ...hello, protocol: { major: 2, minor: 0 } };
    await using _ = await rawServer(path(), () => ({ result: future }));
    await expect(connect(path())).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PROTOCOL',
      details: { reason: `odd (pid ${process.pid}) speaks version 2, this wgraft version 1` },
    });
  });

  test.each([
    ['nothing of what hello is', { result: {} }, 'hello.protocol: expected "protocol"'],
    ['a wrong type', { result: { ...hello, pid: 'one' } }, 'hello.pid: expected number'],
    ['an error of its own', { error: { code: -32601, message: 'what?' } }, 'what?'],
  ])('answers %s is refused', async (_, reply, reason) => {
    await using server = await rawServer(path(), () => reply);
    expect(server).toBeDefined();
    await expect(connect(path())).rejects.toMatchObject({ code: 'WGRAFT_ERR_PROTOCOL', details: { reason } });
  });

  test('sends garbage is refused', async () => {
    await using _ = await rawServer(path(), (_request, peer) => void peer.socket.write('garbage\r\n\r\n'));
    await expect(connect(path())).rejects.toMatchObject({ code: 'WGRAFT_ERR_PROTOCOL' });
  });

  test('gives errors of a newer version is still understood', async () => {
    const error = {
      code: -32000,
      message: 'm',
      data: { code: 'WGRAFT_ERR_NEW', message: 'too new', details: {} },
    };
    await using _ = await rawServer(path(), () => ({ error }));
    await expect(connect(path())).rejects.toMatchObject({
      code: 'WGRAFT_ERR_INTERNAL',
      details: { what: 'too new' },
    });
  });

  test('is odd is listed by discover, and holds up nobody', async () => {
    const { server } = await live();
    await using _ = server;
    await using silent = await rawServer(join(folder, 'silent-1.sock'), () => undefined);
    await using wrong = await rawServer(join(folder, 'wrong-1.sock'), () => ({ result: {} }));
    expect([silent, wrong]).toBeDefined();
    const { programs } = await discover({ folder, limitMs: 300 });
    expect(programs.map((p) => [p.name, p.state])).toEqual([
      ['api', 'ready'],
      ['silent', 'busy'],
      ['wrong', 'unusable'],
    ]);
  });
});
