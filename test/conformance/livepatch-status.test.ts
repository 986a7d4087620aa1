// livepatch's test-sysfs.sh (cases 27-31): what `status` says of programs, instances and patches. The command line prints the
// same; test/e2e/golden/live shows it.

import { expect, test } from 'vitest';
import { pausing, returning, type Story, story } from '../support/quick-story.ts';

const kernel = `(module
  (import "env" "pause" (func $pause))
  (func $answer (export "answer") (result i32) (call $pause) (i32.const 1)))`;

const host = { env: { pause: () => {} } };
const numbered = (app: Story, n: number, cumulative = false): Promise<Uint8Array> =>
  app.patch(`p${n}`, 'answer', returning('answer', n), { cumulative });

// - every attribute is there, under its name and with the value that is true, before, during and after
test('27: sysfs test', async () => {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const metadata = { description: 'answers two', author: 'A. N. Other', cves: ['CVE-2026-1'] };
  const patch = await app.patch('fix', 'answer', returning('answer', 2), {
    metadata,
    model: 'leave-kernel',
    states: [{ id: 7, version: 3 }],
  });
  const program = {
    name: 'app',
    buildId: expect.stringMatching(/^[0-9a-f]{64}$/),
    slots: 1,
    forced: false,
  };
  const attributes = {
    id: expect.stringMatching(/^[0-9a-f]{64}$/),
    name: 'fix',
    functions: ['answer'],
    cumulative: false,
    states: [{ id: 7, version: 3 }],
    metadata,
  };
  const status = (): unknown => app.patcher.statusNow().programs;
  expect(status()).toEqual([
    { ...program, universe: 0, instances: [{ id: 1, state: -1 }], patches: [], transition: undefined },
  ]);
  pause.act = () => {
    pause.act = () => {};
    app.patcher.beginApply(patch);
    app.pump();
    expect(status()).toEqual([
      {
        ...program,
        universe: 1,
        instances: [{ id: 1, state: 0 }],
        patches: [{ ...attributes, state: 'applying' }],
        transition: {
          patch: 'fix',
          direction: 'apply',
          model: 'leave-kernel',
          phase: 'committing',
          runningMs: expect.any(Number),
          instances: { done: 0, total: 1 },
        },
      },
    ]);
  };
  app.exports['answer']();
  app.pump();
  expect(status()).toEqual([
    {
      ...program,
      universe: 1,
      instances: [{ id: 1, state: -1 }],
      patches: [{ ...attributes, state: 'applied' }],
      transition: undefined,
    },
  ]);
});

// - a target comes and goes: its entry appears with it and disappears with it, and tells in a transition whether it is patched
test('28: sysfs test object/patched', async () => {
  const pause = pausing();
  const app = await story(kernel, pause.imports);
  const patch = await numbered(app, 2);
  const target = await app.another();
  const entries = (): unknown =>
    app.patcher.statusNow().programs[0]?.instances.map(({ id, state }) => [id, state]);
  const seen: unknown[] = [entries()];
  pause.act = () => {
    pause.act = () => {};
    app.patcher.beginApply(patch);
    app.pump();
    seen.push(entries());
    app.patcher.release(target.instance);
    seen.push(entries());
  };
  app.exports['answer']();
  app.pump();
  seen.push(entries());
  await app.another();
  seen.push(entries());
  expect(seen).toEqual([
    [
      [1, -1],
      [2, -1],
    ],
    [
      [1, 0],
      [2, 1],
    ],
    [[1, 0]],
    [[1, -1]],
    [
      [1, -1],
      [3, -1],
    ],
  ]);
});

test.each([
  ['29: sysfs test replace enabled', true],
  ['30: sysfs test replace disabled', false],
])('%s', async (_, cumulative) => {
  const app = await story(kernel, host);
  await app.patcher.apply(await numbered(app, 2));
  await app.patcher.apply(await numbered(app, 3, cumulative));
  expect(app.patches().map((p) => [p.name, p.cumulative])).toEqual(
    cumulative
      ? [['p3', true]]
      : [
          ['p2', false],
          ['p3', false],
        ],
  );
});

// - three patches stand in the order of the stack; the second goes, and the third takes its place
test('31: sysfs test stack_order value', async () => {
  const app = await story(kernel, host);
  const order = (): string[] => app.patches().map((p, i) => `${i + 1} ${p.name}`);
  for (const n of [2, 3, 4]) await app.patcher.apply(await numbered(app, n));
  expect(order()).toEqual(['1 p2', '2 p3', '3 p4']);
  await app.patcher.revert('p3');
  expect(order()).toEqual(['1 p2', '2 p4']);
});
