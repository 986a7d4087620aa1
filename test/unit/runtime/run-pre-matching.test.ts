// Run-pre matching: a patch names the right build, and all the same one of its functions is not the one that runs. The build id
// covers every byte, so only a forged or broken manifest comes this far; it is refused before anything is staged.

import { beforeAll, expect, test } from 'vitest';
import { type Manifest, type Replacement, readPatch, writePatch } from '../../../src/patch/index.ts';
import { type Story, story } from '../../support/story.ts';
import { wat } from '../../support/wat.ts';

const kernel = `(module
  (func $one (export "one") (result i32) (i32.const 1))
  (func $three (export "three") (param i32) (result i32) (i32.const 3)))`;

const cases: readonly (readonly [
  what: string,
  lie: Partial<Replacement>,
  expected: string,
  found: string,
])[] = [
  ['slot', { slot: 1 }, '1', '0'],
  ['type', { type: '() -> i64' }, '() -> i64', '() -> i32'],
  ['body', { hash: '00'.repeat(32) }, '00'.repeat(32), expect.stringMatching(/^[0-9a-f]{64}$/)],
  ['slot', { index: 99 }, '0', 'none'],
];

let app: Story;
let honest: ReturnType<typeof readPatch>;
beforeAll(async () => {
  app = await story(kernel);
  const text = '(module (func (export "one") (result i32) (i32.const 2)))';
  honest = readPatch(await app.patch('two', 'one', text));
});

test.each(cases)(
  'another %s than that of the running function is refused: %j',
  async (what, lie, expected, found) => {
    const result = what === 'type' ? 'i64' : 'i32';
    const { manifest } = honest;
    const [replaced] = manifest.replaces;
    const forged: Manifest = { ...manifest, replaces: [{ ...replaced, ...lie } as Replacement] };
    const module = wat(
      `(module (func (export "${replaced?.export}") (result ${result}) (${result}.const 2)))`,
    );
    const { module: patch } = writePatch(module, forged, { name: 'somebody', version: '1' });
    app.log();
    await expect(app.patcher.apply(patch)).rejects.toMatchObject({
      code: 'WGRAFT_ERR_FUNCTION_MISMATCH',
      message: `the running ${what} of "one" is not the one that the patch was built from`,
      details: { function: 'one', what, expected, found },
    });
    expect(app.log()).toEqual([]);
    expect(app.exports['one']()).toBe(1);
  },
);
