// The consistency models, one scenario for all: two instances; the first is inside $serve, which calls the host and then $answer.
// A patch changes $answer (not active), or $serve (active). What each model does while the first instance is inside is its meaning.

import { describe, expect, test } from 'vitest';
import type { ConsistencyModel } from '../../../src/patch/index.ts';
import { type Story, story } from '../../support/story.ts';

const kernel = `(module
  (import "env" "pause" (func $pause))
  (func $answer (export "answer") (result i32) (i32.const 1))
  (func $serve (export "serve") (result i32) (call $pause) (call $answer)))`;

const fixes = {
  answer: '(module (func (export "answer") (result i32) (i32.const 2)))',
  serve: '(module (func (export "serve") (result i32) (i32.const 20)))',
} as const;

interface Seen {
  /** livepatch's patch_state of both instances, while the first is inside. */
  readonly inside: readonly number[];
  /** What the activation that was inside returned. */
  readonly returned: number;
  readonly log: readonly string[];
}

/** Begins a patch while the first instance is inside $serve; goes on until the transition is over. */
async function patchInside(
  model: ConsistencyModel,
  changed: keyof typeof fixes,
): Promise<Seen & { app: Story }> {
  const pause = { act: (): void => {} };
  const app = await story(kernel, { env: { pause: () => pause.act() } });
  const two = await app.another();
  const patch = await app.patch('p', changed, fixes[changed]);
  app.log();
  let inside: readonly number[] = [];
  pause.act = () => {
    app.patcher.beginApply(patch, { model, retryMs: 0 });
    app.patcher.pump(10_000);
    inside = states(app);
  };
  const returned = app.exports['serve']() as number;
  pause.act = () => {};
  await expect.poll(() => states(app)).toEqual([-1, -1]);
  expect(two.exports['answer']()).toBe(app.exports['answer']());
  return { inside, returned, log: app.log(), app };
}

const states = (app: Story): number[] =>
  app.patcher.statusNow().programs[0]?.instances.map((i) => i.state) ?? [];

const begun = ['apply p: initializing', 'apply p: starting'];
const ended = ['apply p: completing', 'apply p: complete'];

// The talk's four combinations, in the order of docs/consistency.md, and the two that ask for less.
describe.each<[ConsistencyModel, string, number[], number[]]>([
  ['hybrid', 'leave-set, switch-thread', [-1, -1], [0, 1]],
  ['leave-set', 'leave-set, switch-thread', [-1, -1], [0, 1]],
  ['leave-kernel', 'leave-kernel, switch-thread', [0, 1], [0, 1]],
  ['stop-machine', 'leave-set, switch-kernel', [-1, -1], [0, 0]],
  ['checkpoint', 'leave-kernel, switch-kernel', [0, 0], [0, 0]],
  ['immediate', 'leave nothing', [-1, -1], [-1, -1]],
])('%s (%s)', (model, _, whenInactive, whenActive) => {
  test('with a function changed that is not active', async () => {
    const { inside, returned, log, app } = await patchInside(model, 'answer');
    expect(inside).toEqual(whenInactive);
    // An activation that may go on in the new universe finds the new $answer.
    expect(returned).toBe(whenInactive[0] === -1 ? 2 : 1);
    const order = inside[0] === 0 && inside[1] === 1 ? [2, 1] : [1, 2];
    expect(log).toEqual([...begun, ...order.map((i) => `instance ${i} -> universe 1`), ...ended]);
    expect(app.exports['answer']()).toBe(2);
  });

  test('with a function changed that is active', async () => {
    const { inside, returned, log, app } = await patchInside(model, 'serve');
    expect(inside).toEqual(whenActive);
    expect(returned).toBe(1); // what is active always ends as it began
    const order = inside[0] === 0 && inside[1] === 1 ? [2, 1] : [1, 2];
    expect(log).toEqual([...begun, ...order.map((i) => `instance ${i} -> universe 1`), ...ended]);
    expect(app.exports['serve']()).toBe(20);
  });
});

describe('all at once', () => {
  // - the first instance is inside $serve each time the machine is stopped
  // - after five attempts the patch is taken back, with the list of who was in the way; nothing was ever switched
  test('gives up after five attempts and says who was in the way', async () => {
    const pause = { act: (): void => {} };
    const app = await story(kernel, { env: { pause: () => pause.act() } });
    const two = await app.another();
    const patch = await app.patch('p', 'serve', fixes.serve);
    app.log();
    let applied: Promise<unknown> = Promise.resolve();
    pause.act = () => {
      applied = app.patcher.apply(patch, { model: 'stop-machine', retryMs: 0 });
      applied.catch(() => {});
      for (let attempt = 1; attempt <= 5; attempt += 1) app.patcher.pump(10_000);
      expect(states(app)).toEqual([-1, -1]);
    };
    expect(app.exports['serve']()).toBe(1);
    await expect(applied).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_CONFLICTS',
      details: { attempts: 5, conflicts: [{ instance: 1, functions: ['serve'] }] },
    });
    expect(app.log()).toEqual([...begun, 'apply p: reversing', 'revert p: completing', 'revert p: complete']);
    pause.act = () => {};
    expect([app.exports['serve'](), two.exports['serve']()]).toEqual([1, 1]);
  });
});

describe('all at once, for whoever hears of it', () => {
  // - a listener calls both instances as soon as it hears that one of them has switched, on the way there and back
  test.each<ConsistencyModel>(['stop-machine', 'checkpoint'])('%s shows no two universes', async (model) => {
    const app = await story(kernel, { env: { pause: () => {} } });
    const two = await app.another();
    const patch = await app.patch('p', 'answer', fixes.answer);
    const heard: unknown[] = [];
    app.patcher.subscribe((event) => {
      if (event.type === 'migrated') heard.push([app.exports['answer'](), two.exports['answer']()]);
    });
    await app.patcher.apply(patch, { model });
    await app.patcher.revert('p', { model });
    expect(heard).toEqual([
      [2, 2],
      [2, 2],
      [1, 1],
      [1, 1],
    ]);
  });
});

describe('all at once, on the way back', () => {
  // - the first instance is inside $serve; a second one is born patched, and is inside the patch's $serve
  // - the patch is given up after five attempts, and then waits for the second one: it does not turn round again and again
  test('waits as long as it takes', async () => {
    const pause = { act: (): void => {} };
    const imports = { env: { pause: () => pause.act() } };
    const app = await story(kernel, imports);
    const text = `(module (import "target" "pause" (func $pause))
      (func (export "serve") (result i32) (call $pause) (i32.const 20)))`;
    const patch = await app.patch('p', 'serve', text);
    const late = new WebAssembly.Instance(app.module, imports);
    const serve = late.exports['serve'] as () => number;
    app.log();
    const pump = (): void => app.patcher.pump(10_000);
    pause.act = () => {
      pause.act = () => {
        for (let attempt = 1; attempt <= 20; attempt += 1) pump();
      };
      app.patcher.apply(patch, { model: 'stop-machine', retryMs: 0 }).catch(() => {});
      pump();
      app.patcher.adopt(late, app.module, imports);
      expect(serve()).toBe(20);
      pump();
    };
    expect(app.exports['serve']()).toBe(1);
    expect(serve()).toBe(1);
    expect(app.log()).toEqual([
      ...begun,
      'instance 2 born',
      'apply p: reversing',
      'instance 2 -> universe 2',
      'revert p: completing',
      'revert p: complete',
    ]);
  });
});

describe('leave-set where stacks cannot be trusted', () => {
  test('is refused before anything is written', async () => {
    const app = await story(`(module
      (tag $t)
      (func $answer (export "answer") (result i32) (i32.const 1))
      (func (export "try") (block $caught (try_table (catch $t $caught) (drop (call $answer))))))`);
    const patch = await app.patch('p', 'answer', fixes.answer);
    app.log();
    await expect(app.patcher.apply(patch, { model: 'leave-set' })).rejects.toMatchObject({
      code: 'WGRAFT_ERR_MODEL_UNSUPPORTED',
    });
    expect(app.log()).toEqual([]);
    expect((await app.patcher.apply(patch)).complete).toBe(true);
  });
});

describe('safe-point', () => {
  const looping = `(module
    (import "env" "pause" (func $pause))
    (import "env" "wgraft_safe_point" (func $safe (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "idle\\00")
    (func $answer (export "answer") (result i32) (i32.const 1))
    (func $serve (export "serve") (result i32) (local $sum i32)
      (call $pause)
      (local.set $sum (call $answer))
      (call $safe (i32.const 16))
      (i32.add (i32.mul (local.get $sum) (i32.const 10)) (call $answer))))`;

  // - the patch changes $serve, which is active, and $answer
  // - nothing switches on the event loop or at an ordinary host call, but at the point where the program says so
  test('switches where the program says so, and only there', async () => {
    const pause = { act: (): void => {} };
    const app = await story(looping, { env: { pause: () => pause.act() } });
    const text = `(module
      (func (export "answer") (result i32) (i32.const 2))
      (func (export "serve") (result i32) (i32.const 20)))`;
    const patch = await app.patch('p', ['answer', 'serve'], text);
    app.log();
    const begin = app.patcher.apply(patch, { model: 'safe-point' });
    await expect.poll(() => app.patcher.blockingNow().map((b) => b.state)).toEqual(['no-safe-point']);
    expect(app.exports['answer']()).toBe(1);
    pause.act = () => {
      app.patcher.pump(10_000);
      expect(app.patcher.blockingNow()).toMatchObject([{ state: 'no-safe-point', stack: ['serve'] }]);
    };
    expect(app.exports['serve']()).toBe(12);
    expect((await begin).complete).toBe(true);
    expect(app.exports['serve']()).toBe(20);
    expect(app.log()).toEqual([...begun, 'instance 1 -> universe 1 at idle', ...ended]);
  });

  // - the program never comes to a point: whoever waits is told that, and not that a function is in the way
  test('stalls and expires with the reason', async () => {
    const app = await story(looping, { env: { pause: () => {} } });
    const patch = await app.patch('p', 'answer', fixes.answer);
    const options = { model: 'safe-point', timeoutMs: 1 } as const;
    await expect(app.patcher.apply(patch, options)).rejects.toThrow(
      'transition stalled: the program has not come to a safe point (a call of wgraft_safe_point)',
    );
    await app.patcher.revert();
    await expect(app.patcher.apply(patch, { model: 'safe-point', deadlineMs: 1 })).rejects.toThrow(
      'patch "p" was taken back: after 0.0s the program has not come to a safe point (a call of wgraft_safe_point)',
    );
  });

  test('a host that brings its own point calls the patcher itself', async () => {
    const seen: string[] = [];
    const app: Story = await story(looping, {
      env: {
        pause: () => {},
        wgraft_safe_point: () => {
          seen.push('own');
          app.patcher.safePoint(app.instance);
        },
      },
    });
    const begin = app.patcher.apply(await app.patch('p', 'answer', fixes.answer), { model: 'safe-point' });
    await expect.poll(() => app.patcher.blockingNow().length).toBe(1);
    expect(app.exports['serve']()).toBe(12);
    expect((await begin).complete).toBe(true);
    expect(seen).toEqual(['own']);
  });
});

describe('a transition that does not get through', () => {
  // - the only instance stays inside $serve
  // - at the deadline the patch is taken back by itself, and the caller is told who was in the way
  test('reverses by itself at its deadline', async () => {
    const pause = { act: (): void => {} };
    const app = await story(kernel, { env: { pause: () => pause.act() } });
    const two = await app.another();
    const patch = await app.patch('p', 'serve', fixes.serve);
    app.log();
    let applied: Promise<unknown> = Promise.resolve();
    pause.act = () => {
      applied = app.patcher.apply(patch, { deadlineMs: 1 });
      applied.catch(() => {});
      app.patcher.pump(10_000);
      expect(two.exports['serve']()).toBe(20);
      for (const end = performance.now() + 2; performance.now() < end; );
      app.patcher.pump(10_000);
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([-1, -1]);
    };
    expect(app.exports['serve']()).toBe(1);
    await expect(applied).rejects.toMatchObject({
      code: 'WGRAFT_ERR_TRANSITION_EXPIRED',
      details: { done: 1, total: 2, functions: ['serve'] },
    });
    expect(app.log()).toEqual([
      ...begun,
      'instance 2 -> universe 1',
      'apply p: expired',
      'apply p: reversing',
      'instance 2 -> universe 2',
      'revert p: completing',
      'revert p: complete',
    ]);
    expect(app.patcher.statusNow().programs[0]?.patches).toEqual([]);
  });

  // - the only instance stays inside $serve; whoever runs the program has had enough
  test('is completed by force, and the program is marked for good', async () => {
    const pause = { act: (): void => {} };
    const app = await story(kernel, { env: { pause: () => pause.act() } });
    const patch = await app.patch('p', 'serve', fixes.serve);
    app.log();
    pause.act = () => {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([0]);
      app.patcher.beginForce();
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([-1]);
    };
    expect(app.exports['serve']()).toBe(1);
    expect(app.log()).toEqual([...begun, 'apply p: forced', 'instance 1 -> universe 1', ...ended]);
    expect(app.exports['serve']()).toBe(20);
    await app.patcher.revert('p');
    expect(app.patcher.statusNow().programs[0]?.forced).toBe(true);
    await expect(app.patcher.force()).rejects.toMatchObject({ code: 'WGRAFT_ERR_NO_TRANSITION' });
  });

  test('wakes those it waits for, every few looks', async () => {
    const pause = { act: (): void => {} };
    const app = await story(kernel, { env: { pause: () => pause.act() } });
    const woken: string[] = [];
    const late = new WebAssembly.Instance(app.module, { env: { pause: () => pause.act() } });
    app.patcher.adopt(late, app.module, {}, { wake: () => woken.push('late') });
    const patch = await app.patch('p', 'serve', fixes.serve);
    app.log();
    pause.act = () => {
      app.patcher.beginApply(patch);
      for (let look = 1; look <= 20; look += 1) app.patcher.pump(10_000);
    };
    (late.exports['serve'] as () => number)();
    pause.act = () => {};
    await expect.poll(() => states(app)).toEqual([-1, -1]);
    expect(woken).toEqual(['late', 'late']);
    expect(app.log().filter((l) => l.endsWith('signaling'))).toHaveLength(2);
  });
});
