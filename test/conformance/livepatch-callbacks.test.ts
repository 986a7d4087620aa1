// livepatch's test-callbacks.sh (cases 6-16): in which order callbacks run, and which ones do not. livepatch's objects, vmlinux
// and modules, are the instances of a program here: 1 is there from the beginning, others come and go.

import { describe, expect, test } from 'vitest';
import { watched, work } from '../support/watched-patch.ts';

/** What the log of instance 1 alone says of a patch that goes on and off undisturbed. */
const appliedTo1 = (patch: string, universe: number): string[] => [
  `apply ${patch}: initializing`,
  `instance 1 ${patch}: prePatch done`,
  `apply ${patch}: starting`,
  `instance 1 -> universe ${universe}`,
  `apply ${patch}: completing`,
  `instance 1 ${patch}: postPatch done`,
  `apply ${patch}: complete`,
];
const revertedFrom1 = (patch: string, universe: number): string[] => [
  `revert ${patch}: initializing`,
  `instance 1 ${patch}: preUnpatch done`,
  `revert ${patch}: starting`,
  `instance 1 -> universe ${universe}`,
  `revert ${patch}: completing`,
  `instance 1 ${patch}: postUnpatch done`,
  `revert ${patch}: complete`,
];

// - the target is there, then the patch comes: pre and post callbacks of both, in order
// - the patch comes off: unpatch callbacks of both
test('6: target module before livepatch', async () => {
  const { app, arrive, patch } = await watched();
  const target = arrive();
  await app.patcher.apply(await patch('p', 2));
  expect(work(target)).toBe(2);
  await app.patcher.revert('p');
  expect(work(target)).toBe(1);
  expect(app.log()).toEqual([
    'instance 2 born',
    'apply p: initializing',
    'instance 1 p: prePatch done',
    'instance 2 p: prePatch done',
    'apply p: starting',
    'instance 1 -> universe 1',
    'instance 2 -> universe 1',
    'apply p: completing',
    'instance 1 p: postPatch done',
    'instance 2 p: postPatch done',
    'apply p: complete',
    'revert p: initializing',
    'instance 1 p: preUnpatch done',
    'instance 2 p: preUnpatch done',
    'revert p: starting',
    'instance 1 -> universe 2',
    'instance 2 -> universe 2',
    'revert p: completing',
    'instance 1 p: postUnpatch done',
    'instance 2 p: postUnpatch done',
    'revert p: complete',
  ]);
});

// - the patch is on, then the target comes: its pre and post callbacks run before the host can call anything of it
test('7: module_coming notifier', async () => {
  const { app, arrive, patch } = await watched();
  await app.patcher.apply(await patch('p', 2));
  expect(app.log()).toEqual(appliedTo1('p', 1));
  expect(work(arrive())).toBe(2);
  expect(app.log()).toEqual([
    'instance 2 p: prePatch done',
    'instance 2 p: postPatch done',
    'instance 2 born',
  ]);
});

// - the target leaves while it is patched: its unpatch callbacks run, once
// - the patch comes off later: only the callbacks of the one that is left
test('8: module_going notifier', async () => {
  const { app, arrive, leave, patch } = await watched();
  const target = arrive();
  await app.patcher.apply(await patch('p', 2));
  app.log();
  leave(target);
  leave(target);
  expect(work(target)).toBe(1);
  expect(app.log()).toEqual([
    'instance 2 p: preUnpatch done',
    'instance 2 p: postUnpatch done',
    'instance 2 gone',
  ]);
  await app.patcher.revert('p');
  expect(app.log()).toEqual(revertedFrom1('p', 2));
});

test('9: module_coming and module_going notifiers', async () => {
  const { app, arrive, leave, patch } = await watched();
  await app.patcher.apply(await patch('p', 2));
  leave(arrive());
  await app.patcher.revert('p');
  expect(app.log()).toEqual([
    ...appliedTo1('p', 1),
    'instance 2 p: prePatch done',
    'instance 2 p: postPatch done',
    'instance 2 born',
    'instance 2 p: preUnpatch done',
    'instance 2 p: postUnpatch done',
    'instance 2 gone',
    ...revertedFrom1('p', 2),
  ]);
});

// - the target has left before the patch comes and arrives after it is off: none of its callbacks runs
test('10: target module not present', async () => {
  const { app, arrive, leave, patch } = await watched();
  leave(arrive());
  app.log();
  await app.patcher.apply(await patch('p', 2));
  await app.patcher.revert('p');
  expect(work(arrive())).toBe(1);
  expect(app.log()).toEqual([...appliedTo1('p', 1), ...revertedFrom1('p', 2), 'instance 3 born']);
});

describe('11: pre-patch callback -ENODEV', () => {
  // - it fails: the patch is refused with its answer, nothing is patched, nothing else runs
  test('of the only object', async () => {
    const { app, patch } = await watched(-19);
    await expect(app.patcher.apply(await patch('p', 2))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PATCH_REFUSED',
      message: 'the pre_patch callback of "p" refused it in instance 1: it returned -19',
      details: { patch: 'p', instance: 1 },
    });
    expect([work(app.instance), app.patches()]).toEqual([1, []]);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'instance 1 p: prePatch refused',
      'apply p: cancelled',
    ]);
  });

  // - the second of three refuses: the first one's post_unpatch runs, since its pre_patch did; of the third nothing runs
  test('of one among several', async () => {
    const { app, arrive, patch } = await watched();
    const others = [arrive(-19), arrive()];
    app.log();
    await expect(app.patcher.apply(await patch('p', 2))).rejects.toMatchObject({ details: { instance: 2 } });
    expect([work(app.instance), ...others.map(work)]).toEqual([1, 1, 1]);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'instance 1 p: prePatch done',
      'instance 2 p: prePatch refused',
      'instance 1 p: postUnpatch done',
      'apply p: cancelled',
    ]);
  });
});

// - the patch is on; a target comes whose pre_patch fails: the target is refused, with no other callback
// - the patch stays on the rest, and on those that come later
test('12: module_coming + pre-patch callback -ENODEV', async () => {
  const { app, arrive, patch } = await watched();
  await app.patcher.apply(await patch('p', 2));
  app.log();
  expect(() => arrive(-19)).toThrow(
    expect.objectContaining({
      code: 'WGRAFT_ERR_PATCH_REFUSED',
      details: expect.objectContaining({ instance: 2 }),
    }),
  );
  expect([work(app.instance), app.states()]).toEqual([2, [-1]]);
  expect(work(arrive())).toBe(2);
  await app.patcher.revert('p');
  expect(app.log().slice(0, 5)).toEqual([
    'instance 2 p: prePatch refused',
    'instance 3 p: prePatch done',
    'instance 3 p: postPatch done',
    'instance 3 born',
    'revert p: initializing',
  ]);
});

// - a target is busy for a moment when the patch comes, another one arrives meanwhile: all of them get all callbacks
test('13: multiple target modules', async () => {
  const { app, pause, arrive, patch } = await watched();
  const busy = arrive();
  const p = await patch('p', 2);
  app.log();
  pause.act = () => {
    app.patcher.beginApply(p);
    app.pump();
    arrive();
  };
  call(busy, 'busy');
  await expect.poll(() => app.states()).toEqual([-1, -1, -1]);
  expect(app.log()).toEqual([
    'apply p: initializing',
    'instance 1 p: prePatch done',
    // its pre_patch waits until $busy is left: it may change what $busy works on
    'instance 3 born',
    'instance 2 p: prePatch done',
    'instance 3 p: prePatch done',
    'apply p: starting',
    'instance 1 -> universe 1',
    'instance 2 -> universe 1',
    'instance 3 -> universe 1',
    'apply p: completing',
    'instance 1 p: postPatch done',
    'instance 2 p: postPatch done',
    'instance 3 p: postPatch done',
    'apply p: complete',
  ]);
});

describe('14: busy target module', () => {
  interface Jspi {
    readonly promising: (f: unknown) => () => Promise<void>;
    readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
  }

  // - a to-be-patched function sleeps in the target: pre_patch of all runs, the transition stalls, post_patch does not run
  // - another target comes: pre_patch only, it is born patched; it goes: post_unpatch only
  // - the patch is taken off: the transition reverses; pre_unpatch runs nowhere, post_unpatch wherever pre_patch ran
  // - the sleeper ends in the code that it began in
  test.runIf('promising' in WebAssembly)('asleep', async () => {
    const jspi = WebAssembly as unknown as Jspi;
    let goOn = (): void => {};
    const sleep = new jspi.Suspending(() => new Promise((resolve) => (goOn = resolve)));
    const { app, arrive, leave, patch } = await watched(0, sleep);
    const target = arrive();
    const sleeping = jspi.promising(target.exports['busy'])();
    const p = await patch('p', 2);
    app.log();
    app.patcher.beginApply(p);
    await expect
      .poll(() => app.patcher.blockingNow())
      .toMatchObject([{ instance: 2, state: 'suspended', functions: ['busy'] }]);
    expect(app.states()).toEqual([1, 0]);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'instance 1 p: prePatch done',
      'instance 2 p: prePatch done',
      'apply p: starting',
      'instance 1 -> universe 1',
    ]);

    const late = arrive();
    expect([work(app.instance), work(target), work(late)]).toEqual([2, 1, 2]);
    leave(late);
    expect(work(late)).toBe(1);
    expect(app.log()).toEqual([
      'instance 3 p: prePatch done',
      'instance 3 born',
      'instance 3 p: postUnpatch done',
      'instance 3 gone',
    ]);

    const { complete } = await app.patcher.revert('p');
    expect([complete, work(app.instance), work(target), app.patches()]).toEqual([true, 1, 1, []]);
    expect(app.log()).toEqual([
      'apply p: reversing',
      'instance 1 -> universe 2',
      'revert p: completing',
      // those that never switched are through first: which instance goes first means nothing
      'instance 2 p: postUnpatch done',
      'instance 1 p: postUnpatch done',
      'revert p: complete',
    ]);
    goOn();
    await sleeping;
  });

  // - the function is on the stack itself when the patch comes: the target's pre_patch has to wait, and nobody switches
  // - a target comes and goes: it never hears of the patch
  // - the patch is taken off: post_unpatch where pre_patch ran, and that is all
  test('at work', async () => {
    const { app, pause, arrive, leave, patch } = await watched();
    const target = arrive();
    const p = await patch('p', 2);
    app.log();
    pause.act = () => {
      app.patcher.beginApply(p);
      app.pump();
      expect(app.patcher.blockingNow()).toMatchObject([
        { instance: 2, state: 'running', functions: ['busy'] },
      ]);
      leave(arrive());
      app.patcher.beginRevert('p');
      app.pump();
    };
    call(target, 'busy');
    expect([work(app.instance), work(target), app.patches()]).toEqual([1, 1, []]);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'instance 1 p: prePatch done',
      'instance 3 born',
      'instance 3 gone',
      'apply p: reversing',
      'instance 1 p: postUnpatch done',
      'apply p: cancelled',
    ]);
  });

  // - the transition is reversed when post_patch has run in one of two instances, and again when pre_unpatch has
  // - each unpatch callback runs exactly where its counterpart has run
  test('reversed in the middle of post_patch, and of pre_unpatch', async () => {
    const { app, arrive, patch } = await watched();
    const target = arrive();
    const p = await patch('p', 2);
    app.log();
    const look = (): void => app.patcher.pump(0); // at one instance
    app.patcher.beginApply(p);
    for (const _ of ['pre 1', 'pre 2, switch 1', 'switch 2, post 1']) look();
    app.patcher.beginRevert('p');
    app.pump();
    expect([work(app.instance), work(target), app.patches()]).toEqual([1, 1, []]);
    expect(app.log()).toEqual([
      'apply p: initializing',
      'instance 1 p: prePatch done',
      'instance 2 p: prePatch done',
      'apply p: starting',
      'instance 1 -> universe 1',
      'instance 2 -> universe 1',
      'apply p: completing',
      'instance 1 p: postPatch done',
      'apply p: reversing',
      'instance 1 p: preUnpatch done',
      'revert p: starting',
      'instance 2 -> universe 2',
      'instance 1 -> universe 2',
      'revert p: completing',
      'instance 2 p: postUnpatch done',
      'instance 1 p: postUnpatch done',
      'revert p: complete',
    ]);

    await app.patcher.apply(p);
    app.log();
    app.patcher.beginRevert('p');
    look();
    app.patcher.beginApply(p);
    app.pump();
    expect([work(app.instance), work(target), app.patches().map((x) => x.state)]).toEqual([
      2,
      2,
      ['applied'],
    ]);
    expect(app.log()).toEqual([
      'revert p: initializing',
      'instance 1 p: preUnpatch done',
      'revert p: reversing',
      'instance 1 p: postPatch done',
      'apply p: complete',
    ]);
  });
});

// - two patches are on: each one's callbacks run in its own transition; for a target that comes, all of them before it runs
// - the target's second pre_patch refuses: it gets the first one's post_unpatch, and is refused
// - they come off from the top
test('15: multiple livepatches', async () => {
  const { app, arrive, leave, patch } = await watched();
  await app.patcher.apply(await patch('p', 2));
  await app.patcher.apply(await patch('q', 3));
  expect(app.log()).toEqual([...appliedTo1('p', 1), ...appliedTo1('q', 2)]);

  const target = arrive();
  expect(work(target)).toBe(3);
  leave(target);
  expect(app.log()).toEqual([
    'instance 2 p: prePatch done',
    'instance 2 q: prePatch done',
    'instance 2 p: postPatch done',
    'instance 2 q: postPatch done',
    'instance 2 born',
    'instance 2 q: preUnpatch done',
    'instance 2 p: preUnpatch done',
    'instance 2 q: postUnpatch done',
    'instance 2 p: postUnpatch done',
    'instance 2 gone',
  ]);

  let asked = 0;
  const imports = { env: { pause: () => {}, status: () => (asked++ === 0 ? 0 : -19) } };
  const refused = new WebAssembly.Instance(app.module, imports);
  expect(() => app.patcher.adopt(refused, app.module, imports)).toThrow('refused it in instance 3');
  expect(work(refused)).toBe(1);
  expect(app.log()).toEqual([
    'instance 3 p: prePatch done',
    'instance 3 q: prePatch refused',
    'instance 3 p: postUnpatch done',
  ]);

  await app.patcher.revert();
  expect(work(app.instance)).toBe(2);
  await app.patcher.revert();
  expect(app.log()).toEqual([...revertedFrom1('q', 3), ...revertedFrom1('p', 4)]);
});

describe('16: atomic replace', () => {
  // - two patches are on; a cumulative one takes their place: none of their unpatch callbacks runs, all of its own do
  test('the replaced patch has no callbacks', async () => {
    const { app, patch } = await watched();
    await app.patcher.apply(await patch('p', 2));
    await app.patcher.apply(await patch('q', 3));
    app.log();
    await app.patcher.apply(await patch('r', 4, true));
    expect([work(app.instance), app.patches().map((p) => p.name)]).toEqual([4, ['r']]);
    await app.patcher.revert('r');
    expect([work(app.instance), app.patches()]).toEqual([1, []]);
    expect(app.log()).toEqual([...appliedTo1('r', 3), ...revertedFrom1('r', 4)]);
  });

  // - the cumulative one is refused by one of two instances: the patch that it was to replace stays as it was
  test('that is refused leaves what was there', async () => {
    const { app, patch } = await watched();
    await app.patcher.apply(await patch('p', 2));
    let asked = 0;
    const imports = { env: { pause: () => {}, status: () => (asked++ === 0 ? 0 : -19) } };
    const target = new WebAssembly.Instance(app.module, imports);
    app.patcher.adopt(target, app.module, imports);
    app.log();
    await expect(app.patcher.apply(await patch('r', 4, true))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PATCH_REFUSED',
    });
    expect([work(app.instance), work(target), app.patches().map((p) => p.name)]).toEqual([2, 2, ['p']]);
    await app.patcher.revert('p');
    expect([work(app.instance), work(target)]).toEqual([1, 1]);
    expect(app.log()).toEqual([
      'apply r: initializing',
      'instance 1 r: prePatch done',
      'instance 2 r: prePatch refused',
      'instance 1 r: postUnpatch done',
      'apply r: cancelled',
      'revert p: initializing',
      'instance 1 p: preUnpatch done',
      'instance 2 p: preUnpatch done',
      'revert p: starting',
      'instance 1 -> universe 3',
      'instance 2 -> universe 3',
      'revert p: completing',
      'instance 1 p: postUnpatch done',
      'instance 2 p: postUnpatch done',
      'revert p: complete',
    ]);
  });
});

function call(instance: WebAssembly.Instance, name: string): void {
  const f = instance.exports[name];
  if (typeof f === 'function') f();
}
