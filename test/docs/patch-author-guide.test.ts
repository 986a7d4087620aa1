// The examples of docs/patch-author-guide.md, as they stand there, do what the guide says of them.

import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { beforeAll, expect, test } from 'vitest';
import { type BuildOptions, buildPatch, type Source } from '../../src/build/index.ts';
import type { Callbacks } from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import type { StagedPatch } from '../../src/runtime/stage.ts';
import { compileC } from '../support/compile-c.ts';
import { type Standalone, standalone } from '../support/standalone.ts';
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

/** Calls one of a patch's callbacks, and gives its result and the program's limit. */
function callBack(
  { exports }: Standalone,
  { patch, instance }: StagedPatch,
  name: keyof Callbacks,
): unknown[] {
  const f = instance.exports[patch.manifest.callbacks?.[name] ?? ''];
  return [typeof f === 'function' ? f() : 'no callback', exports['get_limit']()];
}

test('callbacks: limit.c', async () => {
  const app = await standalone(target);
  const patch = app.apply(await build('limit.c', ['check']));
  expect(callBack(app, patch, 'prePatch')).toEqual([0, 10]);
  expect(callBack(app, patch, 'postPatch')).toEqual([undefined, 20]);
  expect([app.exports['check'](20), app.exports['check'](-1)]).toEqual([1, 0]);
  expect(callBack(app, patch, 'preUnpatch')).toEqual([undefined, 10]);
  expect(callBack(app, patch, 'postUnpatch')[0]).toBe('no callback');
});

test('system states: limit-2.c, and its successor takes over what it saved', async () => {
  const app = await standalone(target);
  const put = async (version: number): Promise<StagedPatch> => {
    const states = [{ id: 1, version }];
    const staged = app.stage(
      await build('limit-2.c', ['check'], { name: `v${version}`, cumulative: true, states }),
    );
    app.program.stack.push({ patch: staged.patch, state: 'applied' });
    return staged;
  };
  const first = await put(1);
  expect(callBack(app, first, 'prePatch')).toEqual([0, 10]);
  expect(callBack(app, first, 'postPatch')).toEqual([undefined, 20]);
  const second = await put(2);
  expect(callBack(app, second, 'prePatch')).toEqual([0, 20]);
  expect(callBack(app, second, 'postPatch')).toEqual([undefined, 30]);
  app.program.stack.shift(); // it was cumulative
  expect(callBack(app, second, 'preUnpatch')).toEqual([undefined, 10]);
  expect(app.shadow.get(0, 1)).not.toBe(0);
  expect(callBack(app, second, 'postUnpatch')).toEqual([undefined, 10]);
  expect(app.shadow.get(0, 1)).toBe(0);
});

test.each(['session.c', 'session.wat'])('shadow variables: %s', async (file) => {
  const app = await standalone(target);
  const { open_session: open, close_session: close, fail } = app.exports;
  const [a, b] = [open(1), open(2)];
  app.apply(await build(file, ['fail', 'close_session']));
  expect([a, a, a, b, a, b].map((s) => fail(s))).toEqual([0, 0, 0, 0, 1, 0]);
  close(a);
  expect([app.shadow.get(a, 1) > 0, app.shadow.get(b, 1) > 0]).toEqual([false, true]);
});

test('shadow variables of the host: host.js', async () => {
  const app = await standalone(target);
  const session: number = app.exports['open_session'](1);
  app.apply(await build('session.c', ['fail', 'close_session']));
  const log: string[] = [];
  const handle = { shadow: app.shadow };
  const console = { log: (line: string) => void log.push(line) };
  const failing = app.exports['fail'];
  const [attach = '', ...free] = example('host.js').split(/^(?=handle\.)/m);
  const context = { handle, session, memory: app.exports['memory'], console, DataView };
  runInNewContext(attach, context);
  expect([failing(session), failing(session)]).toEqual([0, 1]);
  runInNewContext(free.join(''), context);
  expect(log).toEqual([`session ${session} is free`]);
});
