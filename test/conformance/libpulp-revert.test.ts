// libpulp's tests of taking patches off (cases 127-131): out of order, all at once, together with applying, and when that fails.

import { describe, expect, test } from 'vitest';
import { returning, type Story, smooth, story } from '../support/quick-story.ts';

const kernel = `(module
  (import "env" "memory" (memory 1))
  (func $answer (export "answer") (result i32) (i32.const 1))
  (func $other (export "other") (result i32) (i32.const 1)))`;

const host = (maximum = 8): WebAssembly.Imports => ({
  env: { memory: new WebAssembly.Memory({ initial: 1, maximum }) },
});

const listed = (app: Story): string[] => app.patches().map((p) => p.name);

async function stacked(): Promise<Story> {
  const app = await story(kernel, host());
  app.log();
  for (const n of [2, 3, 4])
    await app.patcher.apply(await app.patch(`p${n}`, 'answer', returning('answer', n)));
  return app;
}

/** `revert --all`: from the top down, until nothing is on. */
async function revertAll(app: Story): Promise<void> {
  while (app.patches().length > 0) await app.patcher.revert();
}

// - three patches of one function; the middle one comes off, which nobody sees; then the top one, then the last
test('127: revert', async () => {
  const app = await stacked();
  const seen: unknown[] = [app.exports['answer']()];
  for (const name of ['p3', 'p4', 'p2']) {
    await app.patcher.revert(name);
    seen.push([app.exports['answer'](), listed(app)]);
  }
  expect(seen).toEqual([4, [4, ['p2', 'p4']], [2, ['p2']], [1, []]]);
  expect(app.log()).toEqual([
    ...smooth('apply', 'p2', 1),
    ...smooth('apply', 'p3', 2),
    ...smooth('apply', 'p4', 3),
    ...smooth('revert', 'p3', 4),
    ...smooth('revert', 'p4', 5),
    ...smooth('revert', 'p2', 6),
  ]);
});

describe('128: revert_all', () => {
  // - nothing is on: an error, which changes nothing
  test('of a program without patches', async () => {
    const app = await story(kernel, host());
    const error = { code: 'WGRAFT_ERR_PATCH_UNKNOWN', message: 'no patch is applied' };
    await expect(app.patcher.revert()).rejects.toMatchObject(error);
    await expect(app.patcher.revert('p2')).rejects.toMatchObject({ code: 'WGRAFT_ERR_PATCH_UNKNOWN' });
    expect(app.log()).toEqual(['instance 1 born']);
  });
});

// - two programs in one process, both patched; all patches of one come off by name, the other keeps its own
test('129: revert_all_target', async () => {
  const app = await stacked();
  const text = '(module (func $answer (export "answer") (result i32) (i32.const 10)))';
  const other = await story(text, {}, { slots: 'all', app: 'other', patcher: app.patcher });
  await app.patcher.apply(await other.patch('q', 'answer', returning('answer', 20)));
  for (const { name } of app.patches().toReversed()) await app.patcher.revert(name);
  expect([app.exports['answer'](), listed(app)]).toEqual([1, []]);
  expect([other.exports['answer'](), listed(other)]).toEqual([20, ['q']]);
});

describe('130: revert_and_patch', () => {
  test('after all are off, a new patch works', async () => {
    const app = await stacked();
    await revertAll(app);
    expect(app.exports['answer']()).toBe(1);
    await app.patcher.apply(await app.patch('p5', 'answer', returning('answer', 5)));
    expect([app.exports['answer'](), listed(app)]).toEqual([5, ['p5']]);
  });
  // - in one go: a cumulative patch of another function takes all three off and itself on; nobody sees a state in between
  test('in one go', async () => {
    const app = await stacked();
    const seen = new Set<string>();
    app.patcher.subscribe(() => seen.add(`${app.exports['answer']()} ${app.exports['other']()}`));
    await app.patcher.apply(await app.patch('new', 'other', returning('other', 5), { cumulative: true }));
    expect([[...seen], listed(app)]).toEqual([['4 1', '1 5'], ['new']]);
  });
});

// - one go that fails: the cumulative patch has data, and there is no memory for it
// - the old patches are still on, and work, and can still come off one by one
test('131: revert_with_invalid', async () => {
  const app = await story(kernel, host(1));
  await app.patcher.apply(await app.patch('p2', 'answer', returning('answer', 2)));
  app.log();
  const withData = `(module
    (import "target" "#0" (memory 0))
    (import "patch" "memory_base" (global $base i32))
    (data (global.get $base) "A")
    (func (export "other") (result i32) (i32.load8_u (global.get $base))))`;
  const invalid = await app.patch('invalid', 'other', withData, { cumulative: true });
  await expect(app.patcher.apply(invalid)).rejects.toMatchObject({ code: 'WGRAFT_ERR_STAGE_FAILED' });
  expect([app.exports['answer'](), app.exports['other'](), listed(app)]).toEqual([2, 1, ['p2']]);
  await app.patcher.revert('p2');
  expect([app.exports['answer'](), listed(app)]).toEqual([1, []]);
  expect(app.log()).toEqual([
    'apply invalid: initializing',
    'apply invalid: cancelled',
    ...smooth('revert', 'p2', 3),
  ]);
});
