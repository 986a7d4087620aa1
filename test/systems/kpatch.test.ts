// kpatch (github.com/dynup/kpatch: README and doc/patch-author-guide.md; J. Poimboeuf, S. Jennings, 2014).
//
// What it could do: make a patch from a source diff by building twice and extracting the functions that differ
// (create-diff-object); load it when no changed function is on any stack; carry data for objects that exist already, by shadow
// variables; run callbacks around it; and replace all earlier patches by one cumulative patch in one step (atomic replace).
//
// Here: `buildPatchFromBuilds`, `leave-set` (the model that kpatch proposed for the kernel), wgraft.h, `cumulative`.

import { beforeAll, expect, test } from 'vitest';
import { buildPatchFromBuilds } from '../../src/build/index.ts';
import { wgraftHeader } from '../../src/build/wgraft-header.ts';
import { compileC } from '../support/compile-c.ts';
import { story } from '../support/story.ts';
import { everySlot, library, macros } from '../support/two-builds.ts';

/** Sessions; `touch` answers the id of one, times ten. */
const original = `${macros}
#include <stdlib.h>
__attribute__((import_module("env"), import_name("wait"))) void wait_for_peer(void);
struct session { int id; };
EXPORT(open) struct session *open_session(int id) {
  struct session *s = malloc(sizeof *s);
  s->id = id;
  return s;
}
EXPORT(touch) int touch(struct session *s) { return s->id * 10; }
EXPORT(transfer) int transfer(struct session *s) { wait_for_peer(); return touch(s); }
EXPORT(close) void close_session(struct session *s) { free(s); }
`;

const edit = (from: string, ...edits: (readonly [string, string])[]): string =>
  edits.reduce((text, [old, next]) => {
    if (text.split(old).length !== 2) throw new Error(`${old} is not there once`);
    return text.replace(old, () => next);
  }, from);

// struct session cannot grow: sessions are open. What is counted of each is attached to it.
const counting = edit(
  original,
  ['#include <stdlib.h>', '#include <stdlib.h>\n#include "wgraft.h"'],
  [
    'return s->id * 10; }',
    `int *n = wgraft_shadow_get_or_alloc(s, 1, sizeof *n, 0, 0); return s->id * 10 + (n ? ++*n : 0); }
    WGRAFT_PRE_PATCH int check(void) { return 0; }
    WGRAFT_POST_PATCH void begin(void) {}
    WGRAFT_PRE_UNPATCH void end(void) {}
    WGRAFT_POST_UNPATCH void forget(void) { wgraft_shadow_free_all(1, 0); }`,
  ],
  ['{ free(s); }', '{ wgraft_shadow_free(s, 1, 0); free(s); }'],
);

// All that the first did, and no session is touched more than three times.
const limiting = edit(
  counting,
  ['(n ? ++*n : 0)', '(n && *n < 3 ? ++*n : 9)'],
  ['{ wait_for_peer(); return touch(s); }', '{ int was = touch(s); wait_for_peer(); return was; }'],
);

let builds: { original: Uint8Array; counting: Uint8Array; limiting: Uint8Array };
beforeAll(async () => {
  const options = { flags: library, files: { 'wgraft.h': wgraftHeader } };
  const [first, second, third] = [original, counting, limiting];
  builds = {
    original: await compileC(first, options),
    counting: await compileC(second, options),
    limiting: await compileC(third, options),
  };
});

const states = (version: number) => [{ id: 1, version }];

// - two sessions are open, a transfer on the first is under way
// - create-diff from two builds: touch and close_session differ, and nothing else does
// - a transfer does not keep it from loading; sessions that are open already are counted from now on
// - the second, cumulative patch changes transfer, which is active: its stack check waits, and says for whom
// - it replaces the first in one step, without the first one's callbacks; what was counted is still there
// - reverted, everything is as it was; the callbacks that are due are those of the second
test('a patch from a diff, with shadow variables and callbacks, is replaced by a cumulative one', async () => {
  const host = { wait: (): void => {} };
  const app = await story(builds.original, { env: { wait: () => host.wait() } });
  const { exports, patcher } = app;
  const build = (to: Uint8Array, name: string, cumulative: boolean, version: number) =>
    buildPatchFromBuilds({
      old: builds.original,
      new: to,
      name,
      cumulative,
      ...everySlot,
      states: states(version),
    });
  const first = await build(builds.counting, 'count', false, 1);
  expect(first.report.functions.map((f) => f.name).sort()).toEqual(['close_session', 'touch']);
  const second = await build(builds.limiting, 'limit', true, 2);
  expect(second.report.functions.map((f) => f.name).sort()).toEqual(['close_session', 'touch', 'transfer']);
  await expect(build(builds.original, 'nothing', false, 1)).rejects.toMatchObject({
    code: 'WGRAFT_ERR_NOTHING_CHANGED',
  });
  app.log();

  const [a, b] = [exports['open'](1), exports['open'](2)];
  expect(exports['touch'](a)).toBe(10);
  host.wait = () => {
    patcher.beginApply(first.bytes, { model: 'leave-set' });
    patcher.pump(10_000);
  };
  expect(exports['transfer'](a)).toBe(11);
  expect([exports['touch'](a), exports['touch'](b)]).toEqual([12, 21]);
  expect(app.log()).toEqual([
    'apply count: initializing',
    'instance 1 count: prePatch done',
    'apply count: starting',
    'instance 1 -> universe 1',
    'apply count: completing',
    'instance 1 count: postPatch done',
    'apply count: complete',
  ]);

  let blocking: unknown;
  host.wait = () => {
    patcher.beginApply(second.bytes, { model: 'leave-set' });
    patcher.pump(10_000);
    blocking = patcher.blockingNow();
  };
  expect(exports['transfer'](a)).toBe(13);
  expect(blocking).toMatchObject([
    { state: 'running', functions: ['transfer'], stack: ['transfer.command_export', 'transfer'] },
  ]);
  host.wait = () => {};
  await expect.poll(() => patcher.statusNow().programs[0]?.transition).toBeUndefined();
  expect(patcher.statusNow().programs[0]?.patches).toMatchObject([
    { name: 'limit', state: 'applied', cumulative: true, states: states(2) },
  ]);
  expect([exports['touch'](a), exports['touch'](b), exports['touch'](b), exports['touch'](b)]).toEqual([
    19, 22, 23, 29,
  ]);
  await expect(patcher.apply(first.bytes)).rejects.toMatchObject({ code: 'WGRAFT_ERR_STATE_INCOMPATIBLE' });
  expect(app.log()).toEqual([
    'apply limit: initializing',
    'instance 1 limit: prePatch done',
    'apply limit: starting',
    'instance 1 -> universe 2',
    'apply limit: completing',
    'instance 1 limit: postPatch done',
    'apply limit: complete',
  ]);

  exports['close'](b);
  await patcher.revert('limit', { model: 'leave-set' });
  expect(exports['touch'](a)).toBe(10);
  exports['close'](a);
  expect(patcher.statusNow().programs[0]?.patches).toEqual([]);
  expect(app.log()).toEqual([
    'revert limit: initializing',
    'instance 1 limit: preUnpatch done',
    'revert limit: starting',
    'instance 1 -> universe 3',
    'revert limit: completing',
    'instance 1 limit: postUnpatch done',
    'revert limit: complete',
  ]);
});
