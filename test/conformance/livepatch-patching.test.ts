// livepatch's test-livepatch.sh (cases 1, 2, 4, 5; case 3 is in livepatch-replace.test.ts): patches go on and come off, and the log is exactly what it should be.

import { describe, expect, test } from 'vitest';
import { returning, type Story, smooth, story } from '../support/quick-story.ts';

/** Two outputs, as /proc/cmdline and /proc/meminfo are. */
const kernel = `(module
  (func $cmdline (export "cmdline") (result i32) (i32.const 1))
  (func $meminfo (export "meminfo") (result i32) (i32.const 1)))`;

const output = ({ exports }: Pick<Story, 'exports'>): number[] => [
  exports['cmdline'](),
  exports['meminfo'](),
];
const listed = (app: Story): string[] => app.patches().map((p) => p.name);

// - apply: the output changes; revert: it is restored
// - the log is exact both ways
test('1: basic function patching', async () => {
  const app = await story(kernel);
  expect(app.log()).toEqual(['instance 1 born']);
  await app.patcher.apply(await app.patch('fix', 'cmdline', returning('cmdline', 2)));
  expect(output(app)).toEqual([2, 1]);
  expect(app.log()).toEqual([
    'apply fix: initializing',
    'apply fix: starting',
    'instance 1 -> universe 1',
    'apply fix: completing',
    'apply fix: complete',
  ]);
  await app.patcher.revert('fix');
  expect(output(app)).toEqual([1, 1]);
  expect(app.log()).toEqual([
    'revert fix: initializing',
    'revert fix: starting',
    'instance 1 -> universe 2',
    'revert fix: completing',
    'revert fix: complete',
  ]);
  expect(app.patches()).toEqual([]);
});

// - two patches that do not replace each other are on together
// - the second one comes off and leaves the first; then there is none
test('2: multiple livepatches', async () => {
  const app = await story(kernel);
  app.log();
  await app.patcher.apply(await app.patch('first', 'cmdline', returning('cmdline', 2)));
  await app.patcher.apply(await app.patch('second', 'meminfo', returning('meminfo', 3)));
  expect([output(app), listed(app)]).toEqual([
    [2, 3],
    ['first', 'second'],
  ]);
  await app.patcher.revert('second');
  expect([output(app), listed(app)]).toEqual([[2, 1], ['first']]);
  await app.patcher.revert('first');
  expect([output(app), listed(app)]).toEqual([[1, 1], []]);
  expect(app.log()).toEqual([
    ...smooth('apply', 'first', 1),
    ...smooth('apply', 'second', 2),
    ...smooth('revert', 'second', 3),
    ...smooth('revert', 'first', 4),
  ]);
});

// - the target is there first, beside another program; it is patched, then unpatched, and the other one never changes
test('4: module function patching', async () => {
  const app = await story(kernel);
  const target = await story(
    '(module (func $answer (export "answer") (result i32) (i32.const 1)))',
    {},
    {
      slots: 'all',
      app: 'module',
      patcher: app.patcher,
    },
  );
  app.log();
  await app.patcher.apply(await target.patch('fix', 'answer', returning('answer', 2)));
  expect([target.exports['answer'](), output(app)]).toEqual([2, [1, 1]]);
  await app.patcher.revert('fix');
  expect([target.exports['answer'](), output(app)]).toEqual([1, [1, 1]]);
  expect(app.log()).toEqual([]);
  expect(target.log()).toEqual([
    'instance 2 born',
    ...smooth('apply', 'fix', 1, [2]),
    ...smooth('revert', 'fix', 2, [2]),
  ]);
});

describe('5: module function patching (livepatch first)', () => {
  // - the patch is on, and no instance is left: the program stays for its patch
  // - a target that arrives is patched from the beginning; the patch comes off: unpatched
  test('a target is patched when it arrives', async () => {
    const app = await story(kernel);
    await app.patcher.apply(await app.patch('fix', 'cmdline', returning('cmdline', 2)));
    app.patcher.release(app.instance);
    expect([app.states(), listed(app)]).toEqual([[], ['fix']]);
    app.log();
    const arrived = await app.another();
    expect(output(arrived)).toEqual([2, 1]);
    expect(arrived.wgraft.universe).toBe(1);
    await app.patcher.revert('fix');
    expect([output(arrived), output(app)]).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(app.log()).toEqual(['instance 2 born', ...smooth('revert', 'fix', 2, [2])]);
  });

  // - nothing of the program is known yet: the patch is refused, and not kept for later either
  test('a patch for a program that never was there is refused', async () => {
    const app = await story(kernel);
    const other = await story('(module (func $answer (export "answer") (result i32) (i32.const 1)))');
    const patch = await app.patch('fix', 'cmdline', returning('cmdline', 2));
    await expect(other.patcher.apply(patch)).rejects.toMatchObject({ code: 'WGRAFT_ERR_BUILD_ID_MISMATCH' });
    expect([listed(other), other.log()]).toEqual([[], ['instance 1 born']]);
  });
});
