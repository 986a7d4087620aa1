import { expect, test } from 'vitest';
import { story } from '../../support/story.ts';

test('stats() counts what happened, and says what is', async () => {
  const app = await story('(module (func (export "one") (result i32) (i32.const 1)))');
  await app.another();
  const patch = await app.patch('two', 'one', '(module (func (export "one") (result i32) (i32.const 2)))');
  await app.patcher.apply(patch);
  expect(app.patcher.stats()).toEqual({
    instances: { born: 2, gone: 0 },
    transitions: { begun: 1, applied: 1, reverted: 0, reversed: 0, cancelled: 0 },
    migrations: 2,
    now: { programs: 1, instances: 2, patches: 1, transitions: 0 },
  });
  await app.patcher.revert();
  app.patcher.beginApply(patch);
  expect(app.patcher.stats().now).toEqual({ programs: 1, instances: 2, patches: 1, transitions: 1 });
  await app.patcher.revert();
  expect(app.patcher.stats()).toEqual({
    instances: { born: 2, gone: 0 },
    transitions: { begun: 3, applied: 1, reverted: 1, reversed: 1, cancelled: 1 },
    migrations: 4,
    now: { programs: 1, instances: 2, patches: 0, transitions: 0 },
  });
});
