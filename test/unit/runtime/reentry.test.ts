// Whoever the patcher calls can call the patcher: a callback or an allocator whose host import is a migration point, a listener to
// events. What the patcher is doing then must not be done by halves, or twice.

import { describe, expect, test } from 'vitest';
import { type Pause, pausing, returning, type Story, story } from '../../support/quick-story.ts';

/** `malloc` and each callback of the patch come by the host. */
const kernel = `(module
  (import "env" "pause" (func $pause))
  (memory 1)
  (global $top (mut i32) (i32.const 1024))
  (func $malloc (export "malloc") (param i32) (result i32)
    (call $pause)
    (global.set $top (i32.add (global.get $top) (local.get 0)))
    (i32.sub (global.get $top) (local.get 0)))
  (func $work (export "work") (result i32) (i32.const 1)))`;

const text = `(module
  (import "target" "memory" (memory 0))
  (import "target" "pause" (func $pause))
  (import "patch" "memory_base" (global $base i32))
  (data (global.get $base) "\\02")
  (func (export "work") (result i32) (i32.load8_u (global.get $base)))
  (func (export "__wgraft_pre_patch") (result i32) (call $pause) (i32.const 0))
  (func (export "__wgraft_post_patch") (call $pause))
  (func (export "__wgraft_pre_unpatch") (call $pause))
  (func (export "__wgraft_post_unpatch") (call $pause)))`;

async function three(): Promise<{ app: Story; pause: Pause; patch: Uint8Array; works(): number[] }> {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const all = [app, await app.another(), await app.another()];
  const patch = await app.patch('p', 'work', text, { allocator: 'malloc=malloc' });
  app.log();
  return { app, pause, patch, works: () => all.map(({ exports }) => exports['work']()) };
}

const each = (line: string): string[] => [1, 2, 3].map((i) => `instance ${i} ${line}`);

const applied = [
  'apply p: initializing',
  ...each('p: prePatch done'),
  'apply p: starting',
  ...each('-> universe 1'),
  'apply p: completing',
  ...each('p: postPatch done'),
  'apply p: complete',
];

const reverted = [
  'revert p: initializing',
  ...each('p: preUnpatch done'),
  'revert p: starting',
  ...each('-> universe 2'),
  'revert p: completing',
  ...each('p: postUnpatch done'),
  'revert p: complete',
];

describe('a migration point in the middle of', () => {
  test('the program’s allocator and the patch’s callbacks', async () => {
    const { app, pause, patch, works } = await three();
    pause.act = () => app.pump();
    await app.patcher.apply(patch);
    expect(works()).toEqual([2, 2, 2]);
    await app.patcher.revert('p');
    expect(works()).toEqual([1, 1, 1]);
    expect(app.log()).toEqual([...applied, ...reverted]);
  });

  test('an event', async () => {
    const { app, patch, works } = await three();
    app.patcher.subscribe(() => app.pump());
    await app.patcher.apply(patch);
    expect(works()).toEqual([2, 2, 2]);
    await app.patcher.revert('p');
    expect(works()).toEqual([1, 1, 1]);
    expect(app.log()).toEqual([...applied, ...reverted]);
  });
});

// - a patch is on, another one has begun; an instance is born, whose pre_patch comes by a migration point
// - the transition does not end without the newcomer
test('a migration point in the middle of a birth', async () => {
  const { app, pause, patch } = await three();
  await app.patcher.apply(patch);
  pause.act = () => app.pump();
  app.patcher.beginApply(await app.patch('nine', 'work', returning('work', 9)));
  const late = new WebAssembly.Instance(app.module, pause.imports);
  app.patcher.adopt(late, app.module, pause.imports);
  await expect.poll(() => app.states()).toEqual([-1, -1, -1, -1]);
  expect((late.exports['work'] as () => number)()).toBe(9);
});

describe('a reversal asked for in', () => {
  // - the second pre_patch takes the patch back: wherever pre_patch ran, post_unpatch runs, and nothing has switched
  test('pre_patch', async () => {
    const { app, pause, patch, works } = await three();
    let pauses = 0;
    pause.act = () => {
      pauses += 1;
      if (pauses === 4) app.patcher.beginRevert('p');
    };
    const { complete } = await app.patcher.apply(patch);
    const log = app.log();
    expect([complete, works(), app.patches()]).toEqual([false, [1, 1, 1], []]);
    const ran = (callback: string): string[] =>
      log.flatMap((line) => new RegExp(`instance (\\d) p: ${callback} done`).exec(line)?.[1] ?? []).sort();
    expect(ran('prePatch').length).toBeGreaterThan(1);
    expect(ran('postUnpatch')).toEqual(ran('prePatch'));
    expect([...ran('postPatch'), ...ran('preUnpatch')]).toEqual([]);
    expect(log.at(-1)).toBe('apply p: cancelled');
  });

  // - the first post_patch takes it back: what post_patch ran for, pre_unpatch runs for; all switch back
  test('post_patch', async () => {
    const { app, pause, patch, works } = await three();
    let pauses = 0;
    pause.act = () => {
      pauses += 1;
      if (pauses === 7) app.patcher.beginRevert('p');
    };
    const { complete } = await app.patcher.apply(patch);
    const log = app.log();
    expect([complete, works(), app.patches()]).toEqual([false, [1, 1, 1], []]);
    const ran = (callback: string): string[] =>
      log.flatMap((line) => new RegExp(`instance (\\d) p: ${callback} done`).exec(line)?.[1] ?? []).sort();
    expect(ran('preUnpatch')).toEqual(ran('postPatch'));
    expect(ran('postUnpatch')).toEqual(['1', '2', '3']);
    expect(log.at(-1)).toBe('revert p: complete');
  });

  // - a listener takes it back as soon as it hears of the first instance that has switched
  test('an event', async () => {
    const { app, patch, works } = await three();
    let isDone = false;
    app.patcher.subscribe((event) => {
      if (event.type !== 'migrated' || isDone) return;
      isDone = true;
      app.patcher.beginRevert('p');
    });
    const { complete } = await app.patcher.apply(patch);
    const log = app.log();
    expect([complete, works(), app.patches()]).toEqual([false, [1, 1, 1], []]);
    const switched = (universe: number): number =>
      log.filter((line) => line.endsWith(`universe ${universe}`)).length;
    expect([switched(1) > 0, switched(2)]).toEqual([true, switched(1)]);
  });
});

describe('an operation begun in', () => {
  // - the pre_patch of a newcomer puts a second patch on: it comes when the newcomer is there, on top of the first in all
  test('a birth', async () => {
    const { app, pause, patch } = await three();
    await app.patcher.apply(patch);
    const nine = await app.patch('nine', 'work', returning('work', 9));
    let pauses = 0;
    pause.act = () => {
      pauses += 1;
      if (pauses === 2) app.patcher.beginApply(nine); // 1 is malloc, for the patch's data
      app.pump();
    };
    app.log();
    const late = await app.another(pause.imports);
    await expect.poll(() => app.states()).toEqual([-1, -1, -1, -1]);
    expect([late.exports['work'](), app.exports['work']()]).toEqual([9, 9]);
    expect(app.log().slice(0, 4)).toEqual([
      'apply nine: initializing',
      'instance 4 p: prePatch done',
      'instance 4 p: postPatch done',
      'instance 4 born',
    ]);
  });

  // - the pre_unpatch of one that is released puts a second patch on: it leaves unpatched, and stays so
  test('a release', async () => {
    const { app, pause, patch } = await three();
    const leaving = await app.another(pause.imports);
    await app.patcher.apply(patch);
    const nine = await app.patch('nine', 'work', returning('work', 9));
    pause.act = () => {
      pause.act = () => app.pump();
      app.patcher.beginApply(nine);
      app.pump();
    };
    app.log();
    app.patcher.release(leaving.instance);
    await expect.poll(() => app.states()).toEqual([-1, -1, -1]);
    expect([leaving.exports['work'](), app.exports['work']()]).toEqual([1, 9]);
    expect(app.log().filter((line) => line.includes('instance 4'))).toEqual([
      'instance 4 p: preUnpatch done',
      'instance 4 p: postUnpatch done',
      'instance 4 gone',
    ]);
  });
});
