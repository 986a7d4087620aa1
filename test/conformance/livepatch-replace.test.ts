// Cumulative patches, which take the place of all that are on: livepatch's atomic replace (cases 3 and 16).

import { describe, expect, test } from 'vitest';
import { preparedExports } from '../../src/patch/index.ts';
import { collected } from '../support/collected.ts';
import { reserved, returning, type Story, smooth, story } from '../support/quick-story.ts';

/** Two outputs, as /proc/cmdline and /proc/meminfo are; `lend` gives the host a function. */
const kernel = `(module
  (import "env" "lend" (func $lend (param funcref)))
  (func $cmdline (export "cmdline") (result i32) (i32.const 1))
  (func $meminfo (export "meminfo") (result i32) (i32.const 1)))`;

const host = { env: { lend: () => {} } };

const output = ({ exports }: Pick<Story, 'exports'>): number[] => [
  exports['cmdline'](),
  exports['meminfo'](),
];
const listed = (app: Story): string[] => app.patches().map((p) => p.name);

describe('3: atomic replace livepatch', () => {
  /** Lends a function of its own to the host when it is called, so that a test sees whether the patch still lives. */
  const lending = (value: number): string => `(module
    (import "target" "#0" (func $lend (param funcref)))
    (elem declare func $own)
    (func $own)
    (func (export "cmdline") (result i32) (call $lend (ref.func $own)) (i32.const ${value})))`;

  // - three patches are on
  // - a cumulative one takes their place: it alone is listed, it alone has an effect; the others cannot be reverted any more
  // - what they replaced and it does not, is the original again
  // - nothing of the three is held any more, and their entries in the slot table are used again
  // - it comes off: the original
  test('one is left of four, and the three are gone for good', async () => {
    const lent: WeakRef<object>[] = [];
    const app = await story(kernel, { env: { lend: (f: object) => void lent.push(new WeakRef(f)) } });
    for (const n of [2, 3, 4]) {
      await app.patcher.apply(await app.patch(`p${n}`, 'cmdline', lending(n)));
      expect(app.exports['cmdline']()).toBe(n);
    }
    await app.patcher.apply(await app.patch('info', 'meminfo', returning('meminfo', 5)));
    await app.patcher.revert('info');
    await app.patcher.apply(await app.patch('mem', 'meminfo', returning('meminfo', 9)));
    expect(listed(app)).toEqual(['p2', 'p3', 'p4', 'mem']);
    expect(await collected(lent)).toEqual([false, false, false]);
    app.log();

    const replace = await app.patch('replace', 'cmdline', lending(7), { cumulative: true });
    const { instances } = await app.patcher.apply(replace);
    expect(instances).toEqual({ done: 1, total: 1 });
    expect([output(app), listed(app)]).toEqual([[7, 1], ['replace']]);
    expect(app.log()).toEqual(smooth('apply', 'replace', 7));
    await expect(app.patcher.revert('p3')).rejects.toMatchObject({
      code: 'WGRAFT_ERR_PATCH_UNKNOWN',
      hint: 'applied: replace',
    });
    expect(await collected(lent)).toEqual([true, true, true, false]);

    await app.patcher.revert('replace');
    expect([output(app), listed(app)]).toEqual([[1, 1], []]);
    expect(await collected(lent)).toEqual([true, true, true, true]);
  });

  // - cumulative patches take each other's place fifty times: the slot table does not grow
  test('and leave their room to the next', async () => {
    const app = await story(kernel, host);
    const table = reserved(app.instance, preparedExports.slots);
    if (!(table instanceof WebAssembly.Table)) throw new Error('no slot table');
    const [one, two] = await Promise.all(
      [2, 3].map((n) => app.patch(`p${n}`, 'cmdline', returning('cmdline', n), { cumulative: true })),
    );
    if (one === undefined || two === undefined) throw new Error('no patches');
    const sizes = new Set<number>();
    for (let i = 0; i < 25; i += 1) {
      for (const patch of [one, two]) await app.patcher.apply(patch);
      sizes.add(table.length);
    }
    expect([output(app), listed(app), sizes.size]).toEqual([[3, 1], ['p3'], 1]);
  });
});
