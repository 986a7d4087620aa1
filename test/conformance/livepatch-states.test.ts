// livepatch's test-state.sh (cases 18-21): a patch raises a log level, which is a system state, and its successor takes it over.
//
//   pre_patch     allocates room for the original level, where no predecessor has
//   post_patch    keeps the original there, where no predecessor has, and sets the level
//   pre_unpatch   sets the original level
//   post_unpatch  frees the room, where no predecessor still needs it

import { expect, test } from 'vitest';
import { type Pause, pausing, type Story, smooth, story } from '../support/quick-story.ts';

const state = 1;

const kernel = `(module
  (import "env" "pause" (func $pause))
  (memory 1)
  (global $level (export "level") (mut i32) (i32.const 4))
  (func $work (export "work") (result i32) (call $pause) (i32.const 1)))`;

const raising = (level: number): string => `(module
  (import "target" "memory" (memory 0))
  (import "target" "level" (global $level (mut i32)))
  (import "target" "pause" (func $pause))
  (import "patch" "state_previous" (func $previous (param i32) (result i32)))
  (import "patch" "shadow_get" (func $get (param i32 i32) (result i32)))
  (import "patch" "shadow_alloc" (func $alloc (param i32 i32 i32 i32 i32) (result i32)))
  (import "patch" "shadow_free" (func $free (param i32 i32 i32)))
  (func $isFirst (result i32) (i32.eqz (call $previous (i32.const ${state}))))
  (func $saved (result i32) (call $get (i32.const 0) (i32.const ${state})))
  (func (export "work") (result i32) (call $pause) (i32.const ${level}))
  (func (export "__wgraft_pre_patch") (result i32)
    (if (result i32) (call $isFirst)
      (then (i32.eqz (call $alloc (i32.const 0) (i32.const ${state}) (i32.const 4) (i32.const 0) (i32.const 0))))
      (else (i32.eqz (call $saved)))))
  (func (export "__wgraft_post_patch")
    (if (call $isFirst) (then (i32.store (call $saved) (global.get $level))))
    (global.set $level (i32.const ${level})))
  (func (export "__wgraft_pre_unpatch") (global.set $level (i32.load (call $saved))))
  (func (export "__wgraft_post_unpatch")
    (if (call $isFirst) (then (call $free (i32.const 0) (i32.const ${state}) (i32.const 0))))))`;

interface Logged {
  readonly app: Story;
  readonly pause: Pause;
  patch(name: string, level: number, version: number | undefined, cumulative?: boolean): Promise<Uint8Array>;
  /** The level, and what is saved of it: undefined where nothing is. */
  seen(): [level: number, saved: number | undefined];
}

async function logged(): Promise<Logged> {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const { shadow } = app.patcher.adopt(app.instance, app.module);
  app.log();
  return {
    app,
    pause,
    patch: (name, level, version, cumulative = true) =>
      app.patch(name, 'work', raising(level), {
        allocator: 'grow',
        cumulative,
        ...(version === undefined ? {} : { states: [{ id: state, version }] }),
      }),
    seen() {
      const address = shadow.get(0, state);
      return [app.exports['level'].value, address === 0 ? undefined : app.memory().getInt32(address, true)];
    },
  };
}

const withCallbacks = (direction: 'apply' | 'revert', patch: string, universe: number): string[] => {
  const [pre, post] = direction === 'apply' ? ['prePatch', 'postPatch'] : ['preUnpatch', 'postUnpatch'];
  const log = smooth(direction, patch, universe);
  log.splice(1, 0, `instance 1 ${patch}: ${pre} done`);
  log.splice(-1, 0, `instance 1 ${patch}: ${post} done`);
  return log;
};

test('18: system state modification', async () => {
  const { app, patch, seen } = await logged();
  expect(seen()).toEqual([4, undefined]);
  await app.patcher.apply(await patch('v1', 15, 1, false));
  expect(seen()).toEqual([15, 4]);
  await app.patcher.revert('v1');
  expect(seen()).toEqual([4, undefined]);
  expect(app.log()).toEqual([...withCallbacks('apply', 'v1', 1), ...withCallbacks('revert', 'v1', 2)]);
});

// - the successor finds what the first patch saved, saves nothing again, and sets its own level
// - it comes off: the *original* level is back, and the room is free
test('19: taking over system state modification', async () => {
  const { app, patch, seen } = await logged();
  await app.patcher.apply(await patch('v1', 15, 1));
  await app.patcher.apply(await patch('v2', 20, 2));
  expect([seen(), app.patches().map((p) => p.name)]).toEqual([[20, 4], ['v2']]);
  await app.patcher.revert('v2');
  expect([seen(), app.patches()]).toEqual([[4, undefined], []]);
  expect(app.log()).toEqual([
    ...withCallbacks('apply', 'v1', 1),
    ...withCallbacks('apply', 'v2', 2),
    ...withCallbacks('revert', 'v2', 3),
  ]);
});

// - the successor's pre_patch has run in one instance when it is taken back, since another one is busy
// - its post_unpatch leaves alone what is not its own: the first patch still has its level and its room
test('19: a successor that is reversed takes nothing over', async () => {
  const { app, pause, patch, seen } = await logged();
  await app.patcher.apply(await patch('v1', 15, 1));
  const busy = await app.another();
  const next = await patch('v2', 20, 2);
  app.log();
  pause.act = () => {
    app.patcher.beginApply(next);
    app.pump();
    app.patcher.beginRevert('v2');
    app.pump();
  };
  expect(busy.exports['work']()).toBe(15);
  expect(app.log()).toEqual([
    'apply v2: initializing',
    'instance 1 v2: prePatch done',
    'apply v2: reversing',
    'instance 1 v2: postUnpatch done',
    'apply v2: cancelled',
  ]);
  expect([seen(), app.patches().map((p) => p.name)]).toEqual([[15, 4], ['v1']]);
  await app.patcher.revert('v1');
  expect(seen()).toEqual([4, undefined]);
});

// - up to a third patch of the same state version, and back to the second: each takes over
test('20: compatible cumulative livepatches', async () => {
  const { app, patch, seen } = await logged();
  const v2 = await patch('v2', 20, 2);
  await app.patcher.apply(v2);
  await app.patcher.apply(await patch('v3', 25, 2));
  expect(seen()).toEqual([25, 4]);
  await app.patcher.apply(v2);
  expect([seen(), app.patches().map((p) => p.name)]).toEqual([[20, 4], ['v2']]);
  await app.patcher.revert('v2');
  expect(seen()).toEqual([4, undefined]);
  expect(app.log()).toEqual([
    ...withCallbacks('apply', 'v2', 1),
    ...withCallbacks('apply', 'v3', 2),
    ...withCallbacks('apply', 'v2', 3),
    ...withCallbacks('revert', 'v2', 4),
  ]);
});

// - an older version of the state, and a cumulative patch that does not know it, are refused before anything is done
// - one that is not cumulative may not know it, and one with another state may come
test('21: incompatible cumulative livepatches', async () => {
  const { app, patch, seen } = await logged();
  await app.patcher.apply(await patch('v2', 20, 2));
  app.log();
  const refused = { code: 'WGRAFT_ERR_STATE_INCOMPATIBLE' };
  await expect(app.patcher.apply(await patch('v1', 15, 1))).rejects.toMatchObject({
    ...refused,
    details: { id: state, version: 1, installed: 2 },
  });
  await expect(app.patcher.apply(await patch('old', 15, 1, false))).rejects.toMatchObject(refused);
  await expect(app.patcher.apply(await patch('stateless', 15, undefined))).rejects.toMatchObject(refused);
  expect([seen(), app.log(), app.patches().map((p) => p.name)]).toEqual([[20, 4], [], ['v2']]);

  const plain = '(module (func (export "work") (result i32) (i32.const 7)))';
  await app.patcher.apply(await app.patch('plain', 'work', plain));
  await app.patcher.apply(await app.patch('other', 'work', plain, { states: [{ id: 2, version: 0 }] }));
  expect(app.log()).toEqual([...smooth('apply', 'plain', 2), ...smooth('apply', 'other', 3)]);
});
