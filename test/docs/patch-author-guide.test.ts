// The examples of docs/patch-author-guide.md, as they stand there, do what the guide says of them.

import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { beforeAll, expect, test } from 'vitest';
import { type BuildOptions, buildPatch, type Source } from '../../src/build/index.ts';
import { type Instantiated, instantiate } from '../../src/host/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { Patcher } from '../../src/runtime/index.ts';
import { compileC } from '../support/compile-c.ts';
import { library, macros } from '../support/two-builds.ts';

const guide = readFileSync(new URL('../../docs/patch-author-guide.md', import.meta.url), 'utf8');

/** The block of the guide that begins with a comment of its file's name. */
function example(file: string): string {
  const blocks = [...guide.matchAll(/^```(?:c|wat|js)\n((?:\/\* |;; |\/\/ )(\S+).*\n[\s\S]*?)^```$/gm)];
  const text = blocks.find((b) => b[2] === file)?.[1];
  if (text === undefined) throw new Error(`the guide has no example ${file}`);
  return text;
}

const program = `${macros}
#include <stdlib.h>
struct session { int user; };
static int limit = 10;
EXPORT(get_limit) int get_limit(void) { return limit; }
EXPORT(set_limit) void set_limit(int n) { limit = n; }
EXPORT(check) int check(int n) { return n <= limit; }
EXPORT(open_session) struct session *open_session(int user) {
  struct session *s = malloc(sizeof *s);
  s->user = user;
  return s;
}
EXPORT(close_session) void close_session(struct session *s) { free(s); }
EXPORT(fail) int fail(struct session *s) { return s->user < 0; }
`;

let target: Uint8Array;
beforeAll(async () => {
  target = (await prepare(await compileC(program, { flags: [...library] }), { slots: 'all' })).bytes;
});

async function build(
  file: string,
  functions: readonly string[],
  more: Partial<BuildOptions> = {},
): Promise<Uint8Array> {
  const source: Source = { kind: file.endsWith('.c') ? 'c' : 'wat', text: example(file), file };
  const replacements = functions.map((f) => ({ function: f, source }));
  return (await buildPatch({ target, name: file, replacements, ...more })).bytes;
}

interface App extends Pick<Instantiated, 'wgraft'> {
  readonly patcher: Patcher;
  // biome-ignore lint/suspicious/noExplicitAny: exports of the program above
  readonly exports: Record<string, any>;
}

async function start(): Promise<App> {
  const patcher = new Patcher();
  const { instance, wgraft } = await instantiate(target, {}, { name: 'app', patcher });
  return { patcher, wgraft, exports: instance.exports };
}

test('callbacks: limit.c', async () => {
  const { patcher, exports } = await start();
  await patcher.apply(await build('limit.c', ['check']));
  expect([exports['get_limit'](), exports['check'](20), exports['check'](-1)]).toEqual([20, 1, 0]);
  await patcher.revert(undefined);
  expect([exports['get_limit'](), exports['check'](20), exports['check'](-1)]).toEqual([10, 0, 1]);
  exports['set_limit'](0);
  await expect(patcher.apply(await build('limit.c', ['check']))).rejects.toMatchObject({
    code: 'WGRAFT_ERR_PATCH_REFUSED',
  });
});

test('system states: limit-2.c, and its successor takes over what it saved', async () => {
  const { patcher, wgraft, exports } = await start();
  const put = async (version: number): Promise<unknown> => {
    const states = [{ id: 1, version }];
    await patcher.apply(
      await build('limit-2.c', ['check'], { name: `v${version}`, cumulative: true, states }),
    );
    return exports['get_limit']();
  };
  expect([await put(1), await put(2)]).toEqual([20, 30]);
  await expect(put(1)).rejects.toMatchObject({ code: 'WGRAFT_ERR_STATE_INCOMPATIBLE' });
  expect(wgraft.shadow.get(0, 1)).not.toBe(0);
  await patcher.revert(undefined);
  expect([exports['get_limit'](), wgraft.shadow.get(0, 1)]).toEqual([10, 0]);
});

test.each(['session.c', 'session.wat'])('shadow variables: %s', async (file) => {
  const { patcher, wgraft, exports } = await start();
  const { open_session: open, close_session: close, fail } = exports;
  const [a, b] = [open(1), open(2)];
  await patcher.apply(await build(file, ['fail', 'close_session']));
  expect([a, a, a, b, a, b].map((s) => fail(s))).toEqual([0, 0, 0, 0, 1, 0]);
  close(a);
  expect([wgraft.shadow.get(a, 1) > 0, wgraft.shadow.get(b, 1) > 0]).toEqual([false, true]);
});

test('shadow variables of the host: host.js', async () => {
  const { patcher, wgraft: handle, exports } = await start();
  const session: number = exports['open_session'](1);
  await patcher.apply(await build('session.c', ['fail', 'close_session']));
  const log: string[] = [];
  const console = { log: (line: string) => void log.push(line) };
  const [attach = '', ...free] = example('host.js').split(/^(?=handle\.)/m);
  const context = { handle, session, memory: exports['memory'], console, DataView };
  runInNewContext(attach, context);
  expect([exports['fail'](session), exports['fail'](session)]).toEqual([0, 1]);
  runInNewContext(free.join(''), context);
  expect(log).toEqual([`session ${session} is free`]);
});
