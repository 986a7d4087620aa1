// Transitions, told by their whole event log, as the kernel's livepatch selftests do.

import { describe, expect, test } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import { instantiate } from '../../../src/host/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { type Story, story } from '../../support/story.ts';
import { wat } from '../../support/wat.ts';
import { watched } from '../../support/watched-patch.ts';

const answer = `(module
  (import "env" "pause" (func $pause))
  (func $answer (export "answer") (result i32) (i32.const 1))
  (func $slow (export "slow") (result i32) (call $pause) (call $answer)))`;

const returning = (name: string, value: number): string =>
  `(module (func (export "${name}") (result i32) (i32.const ${value})))`;

/** The host's `pause`, which a test fills in. */
function host(): { imports: WebAssembly.Imports; onPause: (act: () => void) => void } {
  const pause = { act: (): void => {} };
  const onPause = (act: () => void): void => {
    pause.act = act;
  };
  return { imports: { env: { pause: () => pause.act() } }, onPause };
}

const states = (app: Story): number[] =>
  app.patcher.statusNow().programs[0]?.instances.map((i) => i.state) ?? [];

describe('one patch', () => {
  // - apply: the output changes; revert: it is restored; the log is exact both ways
  test('is applied and reverted', async () => {
    const app = await story(answer, host().imports);
    const patch = await app.patch('two', 'answer', returning('answer', 2));
    expect(app.log()).toEqual(['instance 1 born']);

    const applied = await app.patcher.apply(patch);
    expect(app.exports['answer']()).toBe(2);
    expect(applied).toMatchObject({
      program: 'app',
      patch: { name: 'two', functions: ['answer'] },
      direction: 'apply',
      complete: true,
      universe: { from: 0, to: 1 },
      instances: { done: 1, total: 1 },
    });
    expect(app.log()).toEqual([
      'apply two: initializing',
      'apply two: starting',
      'instance 1 -> universe 1',
      'apply two: completing',
      'apply two: complete',
    ]);

    await app.patcher.revert('two');
    expect(app.exports['answer']()).toBe(1);
    expect(app.log()).toEqual([
      'revert two: initializing',
      'revert two: starting',
      'instance 1 -> universe 2',
      'revert two: completing',
      'revert two: complete',
    ]);
  });

  test('is refused twice, and for another program, and when it is unknown', async () => {
    const app = await story(answer, host().imports);
    const other = await story('(module (func $answer (export "answer") (result i32) (i32.const 5)))');
    const patch = await app.patch('two', 'answer', returning('answer', 2));
    await app.patcher.apply(patch);
    await expect(app.patcher.apply(patch)).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_APPLIED' });
    await expect(other.patcher.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_BUILD_ID_MISMATCH',
      message: expect.stringMatching(
        /^the patch is for build \w{12}, not for \w{12}, where "answer" differs$/,
      ),
    });
    await expect(app.patcher.revert('three')).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PATCH_UNKNOWN',
      hint: 'applied: two',
    });
    expect(app.exports['answer']()).toBe(2);
    expect(other.exports['answer']()).toBe(5);
  });

  test('comes back as often as one likes, at the same memory address', async () => {
    const app = await story(`(module
      (memory (export "memory") 1)
      (func $where (export "where") (result i32) (i32.const 0)))`);
    const patch = await app.patch(
      'data',
      'where',
      `(module
        (import "target" "memory" (memory 1))
        (import "patch" "memory_base" (global $base i32))
        (data (global.get $base) "hello")
        (func (export "where") (result i32) (global.get $base)))`,
    );
    const addresses = new Set<number>();
    for (let i = 0; i < 50; i += 1) {
      await app.patcher.apply(patch);
      addresses.add(app.exports['where']());
      await app.patcher.revert();
      expect(app.exports['where']()).toBe(0);
    }
    expect([...addresses]).toEqual([65536]);
    expect(app.exports['memory'].buffer.byteLength).toBe(2 * 65536);
  });
});

describe('several patches', () => {
  test('stack; the middle one can go; the top one wins', async () => {
    const app = await story(answer, host().imports);
    const patches = await Promise.all(
      [2, 3, 4].map((n) => app.patch(`p${n}`, 'answer', returning('answer', n))),
    );
    const seen: number[] = [];
    for (const patch of patches) {
      await app.patcher.apply(patch);
      seen.push(app.exports['answer']());
    }
    for (const name of ['p3', 'p4', 'p2']) {
      await app.patcher.revert(name);
      seen.push(app.exports['answer']());
    }
    expect(seen).toEqual([2, 3, 4, 4, 2, 1]);
  });

  test('of different functions live side by side', async () => {
    const app = await story(answer, host().imports);
    await app.patcher.apply(await app.patch('a', 'answer', returning('answer', 10)));
    await app.patcher.apply(await app.patch('s', 'slow', returning('slow', 20)));
    expect([app.exports['answer'](), app.exports['slow']()]).toEqual([10, 20]);
    expect((await app.patcher.status()).programs[0]?.patches.map((p) => [p.name, p.state])).toEqual([
      ['a', 'applied'],
      ['s', 'applied'],
    ]);
    await app.patcher.revert('a');
    expect([app.exports['answer'](), app.exports['slow']()]).toEqual([1, 20]);
  });

  test('a second transition of one program is refused while the first runs', async () => {
    const app = await story(answer, host().imports);
    const first = app.patcher.apply(await app.patch('a', 'answer', returning('answer', 10)));
    const second = await app.patch('s', 'slow', returning('slow', 20));
    const running = app.patcher.beginApply.bind(app.patcher, second);
    await first;
    const third = await app.patch('t', 'answer', returning('answer', 30));
    const begun = app.patcher.apply(third);
    expect(running).toThrow(expect.objectContaining({ code: 'WGRAFT_ERR_TRANSITION_RUNS' }));
    await begun;
    expect(app.exports['answer']()).toBe(30);
  });
});

describe('activations', () => {
  // - `slow` is active: it waits in the host
  // - a patch of `slow` has to wait, one of `answer` does not
  // - the activation that was inside finishes in its own universe
  test('an instance with an active changed function waits until it has left', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch('s', 'slow', returning('slow', 20));
    app.log();
    onPause(() => {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([0]);
      expect(app.patcher.blockingNow()).toMatchObject([
        { program: 'app', instance: 1, functions: ['slow'], stack: ['slow'] },
      ]);
    });
    expect(app.exports['slow']()).toBe(1);
    onPause(() => {});
    await expect.poll(() => states(app)).toEqual([-1]);
    expect(app.exports['slow']()).toBe(20);
    expect(app.log()).toEqual([
      'apply s: initializing',
      'apply s: starting',
      'instance 1 -> universe 1',
      'apply s: completing',
      'apply s: complete',
    ]);
  });

  test('a program that is inside unchanged functions switches at its host call', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch('a', 'answer', returning('answer', 10));
    onPause(() => {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([-1]);
    });
    expect(app.exports['slow']()).toBe(10);
  });

  test('only the instance that is inside waits', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const two = await app.another();
    const patch = await app.patch('s', 'slow', returning('slow', 20));
    onPause(() => {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      expect(states(app)).toEqual([0, 1]);
      expect(two.exports['slow']()).toBe(20);
    });
    expect(app.exports['slow']()).toBe(1);
    await expect.poll(() => states(app)).toEqual([-1, -1]);
  });

  test('a patch that is inside itself cannot be reverted under its feet', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch(
      'p',
      'answer',
      '(module (import "target" "#0" (func $pause)) (func (export "answer") (result i32) (call $pause) (i32.const 9)))',
    );
    await app.patcher.apply(patch);
    onPause(() => {
      app.patcher.beginRevert('p');
      app.patcher.pump(10_000);
      expect(app.patcher.blockingNow()).toMatchObject([{ functions: ['p:answer'], stack: ['p:answer'] }]);
    });
    expect(app.exports['answer']()).toBe(9);
    await expect.poll(() => states(app)).toEqual([-1]);
    expect(app.exports['answer']()).toBe(1);
  });

  test('a transition that has to wait can be reversed', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const two = await app.another();
    const patch = await app.patch('s', 'slow', returning('slow', 20));
    app.log();
    onPause(() => {
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      expect(two.exports['slow']()).toBe(20);
      app.patcher.beginRevert('s');
      app.patcher.pump(10_000);
    });
    expect(app.exports['slow']()).toBe(1);
    onPause(() => {});
    expect([app.exports['slow'](), two.exports['slow']()]).toEqual([1, 1]);
    expect(app.log()).toEqual([
      'apply s: initializing',
      'apply s: starting',
      'instance 2 -> universe 1',
      'apply s: reversing',
      'instance 2 -> universe 2',
      'revert s: completing',
      'revert s: complete',
    ]);
    expect((await app.patcher.status()).programs[0]?.patches).toEqual([]);
  });

  test('waiting ends with a typed error at the time-out, and the transition goes on', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch('s', 'slow', returning('slow', 20));
    let applied: Promise<unknown> = Promise.resolve();
    onPause(() => {
      applied = app.patcher.apply(patch, { timeoutMs: 0 });
      applied.catch(() => {});
      app.patcher.pump(10_000);
      // The event loop does not turn while we are in here: the time-out fires first when we are out.
      for (const end = performance.now() + 5; performance.now() < end; );
    });
    app.exports['slow']();
    const settled = await applied.then(
      () => 'complete',
      (error: { code: string }) => error.code,
    );
    expect(['complete', 'WGRAFT_ERR_TRANSITION_STALLED']).toContain(settled);
    onPause(() => {});
    await expect.poll(() => states(app)).toEqual([-1]);
    expect(app.exports['slow']()).toBe(20);
  });
});

describe('instances', () => {
  test('are born patched', async () => {
    const app = await story(answer, host().imports);
    await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
    await app.patcher.apply(await app.patch('three', 'slow', returning('slow', 3)));
    const late = await app.another();
    expect([late.exports['answer'](), late.exports['slow']()]).toEqual([2, 3]);
    await app.patcher.revert('two');
    expect([late.exports['answer'](), late.exports['slow']()]).toEqual([1, 3]);
  });

  test('that are born during a transition belong to the right universe', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch('s', 'slow', returning('slow', 20));
    let born: ReturnType<Story['another']> | undefined;
    onPause(() => {
      app.patcher.beginApply(patch);
      born ??= app.another();
      app.patcher.pump(10_000);
    });
    app.exports['slow']();
    onPause(() => {});
    const late = await born;
    await expect.poll(() => states(app)).toEqual([-1, -1]);
    expect(late?.exports['slow']()).toBe(20);
  });

  // - a revert waits for the first instance; a second one is born meanwhile, without the patch
  // - the revert is turned round: the second one gets the patch too
  test('that are born during a transition go along when it is reversed', async () => {
    const { imports, onPause } = host();
    const app = await story(answer, imports);
    const patch = await app.patch(
      's',
      ['slow', 'answer'],
      `(module (import "target" "pause" (func $pause))
        (func (export "answer") (result i32) (i32.const 2))
        (func (export "slow") (result i32) (call $pause) (i32.const 20)))`,
    );
    await app.patcher.apply(patch);
    app.log();
    const late = new WebAssembly.Instance(app.module, imports);
    const call = late.exports['answer'] as () => number;
    const seen: number[] = [];
    onPause(() => {
      app.patcher.beginRevert('s');
      app.patcher.pump(10_000);
      app.patcher.adopt(late, app.module, imports);
      seen.push(call());
      app.patcher.beginApply(patch);
      app.patcher.pump(10_000);
      seen.push(call());
    });
    app.exports['slow']();
    expect(seen).toEqual([1, 2]);
    expect(app.log()).toEqual([
      'revert s: initializing',
      'revert s: starting',
      'instance 2 born',
      'revert s: reversing',
      'instance 2 -> universe 3',
      'apply s: completing',
      'apply s: complete',
    ]);
  });

  test('switch one by one, a thousand of them, without one long turn', async () => {
    const app = await story(answer, host().imports);
    const all = await Promise.all(Array.from({ length: 1000 }, () => app.another()));
    app.log();
    const result = await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
    expect(result.instances).toEqual({ done: 1001, total: 1001 });
    expect(new Set(all.map((i) => i.exports['answer']()))).toEqual(new Set([2]));
    expect(app.log().filter((l) => l.startsWith('instance'))).toHaveLength(1001);
  });

  test('that nobody holds any more are collected, and a transition does not wait for them', async () => {
    const app = await story(answer, host().imports);
    await Promise.all(Array.from({ length: 20 }, () => app.another()));
    await expect
      .poll(
        () => {
          globalThis.gc?.();
          return states(app).length;
        },
        { timeout: 20_000 },
      )
      .toBe(1);
    const result = await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
    expect(result.instances).toEqual({ done: 1, total: 1 });
    expect(app.exports['answer']()).toBe(2);
  });

  test('the last one leaves, then the last patch: the program goes with it', async () => {
    const app = await story(answer, host().imports);
    await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
    app.patcher.release(app.instance);
    expect(app.patcher.statusNow().programs).toMatchObject([{ instances: [], patches: [{ name: 'two' }] }]);
    await app.patcher.revert('two');
    expect(app.patcher.statusNow().programs).toEqual([]);
  });

  // - many programs with one instance each, one of them patched; nobody holds the instances
  // - programs go with their instances; the patched one stays, for instances to come
  test('the last one takes its program along, unless that has patches', async () => {
    const patcher = new Patcher();
    const held: WebAssembly.Instance[] = []; // until the patch is on
    const make = async (name: string, value: number): Promise<Uint8Array<ArrayBuffer>> => {
      const text = `(module (func $answer (export "answer") (result i32) (i32.const ${value})))`;
      const { bytes } = await prepare(wat(text), { slots: 'all' });
      const { instance } = await instantiate(bytes, {}, { name, patcher });
      held.push(instance);
      return bytes;
    };
    const target = await make('patched', 0);
    for (let i = 1; i <= 12; i += 1) await make(`plain ${i}`, i);
    const source = { kind: 'wat', text: returning('answer', -1), file: 'fix.wat' } as const;
    const { bytes } = await buildPatch({
      target,
      replacements: [{ function: 'answer', source }],
      name: 'fix',
    });
    await patcher.apply(bytes);
    held.length = 0;
    const names = (): string[] => patcher.statusNow().programs.map((p) => p.name);
    await expect
      .poll(
        () => {
          globalThis.gc?.();
          return names().length;
        },
        { timeout: 50_000 },
      )
      .toBeLessThan(4); // what the collector still sees on the stack may stay
    expect(names()).toContain('patched');
    const born = await instantiate(target, {}, { patcher });
    expect((born.instance.exports['answer'] as () => number)()).toBe(-1);
  });

  test('stay alive through one of their functions', async () => {
    const app = await story(answer, host().imports);
    const held = (await app.another()).exports['answer'];
    await new Promise((resolve) => setTimeout(resolve, 0));
    globalThis.gc?.();
    await app.patcher.apply(await app.patch('two', 'answer', returning('answer', 2)));
    expect(held()).toBe(2);
  });
});

describe('a patch that cannot be staged', () => {
  // - three instances; the memory of the second is at its maximum
  // - nothing of the patch is seen anywhere, and the next patch works
  test('changes nothing in any instance', async () => {
    const kernel = `(module
      (import "env" "memory" (memory 1))
      (func $first (export "first") (result i32) (i32.load8_u (i32.const 0))))`;
    const memory = (maximum: number): WebAssembly.Imports => ({
      env: { memory: new WebAssembly.Memory({ initial: 1, maximum }) },
    });
    const app = await story(kernel, memory(2));
    const others = [await app.another(memory(1)), await app.another(memory(2))];
    app.log();
    const withData = `(module
      (import "target" "#0" (memory 1))
      (import "patch" "memory_base" (global $base i32))
      (data (global.get $base) "A")
      (func (export "first") (result i32) (i32.load8_u (global.get $base))))`;
    await expect(app.patcher.apply(await app.patch('text', 'first', withData))).rejects.toMatchObject({
      code: 'WGRAFT_ERR_STAGE_FAILED',
      details: { instance: 2 },
    });
    expect([app, ...others].map((i) => i.exports['first']())).toEqual([0, 0, 0]);
    expect(app.log()).toEqual(['apply text: initializing', 'apply text: cancelled']);

    await app.patcher.apply(await app.patch('plain', 'first', returning('first', 7)));
    expect([app, ...others].map((i) => i.exports['first']())).toEqual([7, 7, 7]);
  });
});

// - taken back while it is still being prepared: what is left to do takes it off, and status says so; the instance was never patched
test('an apply that is cancelled is shown as a revert', async () => {
  const { app, patch } = await watched();
  const begun = app.patcher.beginApply(await patch('p', 2));
  app.patcher.beginRevert('p');
  expect(app.patcher.statusNow().programs[0]).toMatchObject({
    transition: { patch: 'p', direction: 'revert', phase: 'finishing' },
    patches: [{ name: 'p', state: 'reverting' }],
    instances: [{ state: 0 }],
  });
  expect(await app.patcher.force()).toMatchObject({ direction: 'revert', complete: true });
  expect([begun.state, app.patches()]).toEqual(['cancelled', []]);
});
