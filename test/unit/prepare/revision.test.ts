// A prepared module that is kept in the cache must be the one that would be made now. So whoever changes what prepare makes has to
// change the revision, and this test says to what.

import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { slotPolicies } from '../../../src/patch/index.ts';
import { type PrepareOptions, prepare } from '../../../src/prepare/index.ts';
import { revision } from '../../../src/prepare/revision.ts';
import { compileDebug, everyMember } from '../../support/debug-builds.ts';
import { kernels } from '../../support/kernels.ts';
import { largeProgram } from '../../support/table-program.ts';
import { wat, withCustom } from '../../support/wat.ts';

const marked = wat(`(module
  (import "env" "__fentry__" (func $hook))
  (import "env" "memory" (memory 1))
  (func $f (export "f") (param i32) (result i32)
    (call $hook)
    (@metadata.code.branch_hint "\\01")
    (if (local.get 0) (then (return (i32.const 1))))
    (i32.const 3))
  (func $g (export "g") (call $hook)))`);

/** Functions that only the table leads to: one of any size, and one that is called directly, too. */
const tabled = `
  (table 3 funcref) (elem (i32.const 1) $far $near)
  (global funcref (ref.func $kept)) (global anyref (ref.i31 (i32.const 1))) (global externref (ref.null extern))
  (func $far ${'(drop (i32.const 1000000))'.repeat(60)})
  (func $near)
  (func $kept)
  (func (export "run") (call $near) (call_indirect (i32.const 1)))`;

/** What stands around its main loop has guards whatever its size. */
const command = '(func (export "_start") (loop (call $turn) (br 0))) (func $turn)';

const map = Buffer.from('{"version":3,"sources":["a.c"],"names":[],"mappings":"gEAAA,EAAA"}').toString(
  'base64',
);
const url = `data:application/json;base64,${map}`;
const custom = {
  sourceMappingURL: Uint8Array.of(url.length, ...Buffer.from(url)),
  build_id: Uint8Array.of(1, 9),
};

async function* prepared(): AsyncGenerator<Uint8Array> {
  const make = async (kernel: Uint8Array, options: PrepareOptions): Promise<Uint8Array> =>
    (await prepare(kernel, options)).bytes;
  for (const { text } of kernels) for (const slots of slotPolicies) yield make(wat(text), { slots });
  yield make(withCustom(marked, custom), {});
  for (const slots of slotPolicies)
    for (const text of [`(module ${tabled})`, largeProgram(tabled), largeProgram(command)])
      yield make(wat(text), { slots });
  yield make(marked, { attention: true });
  yield make(marked, { engine: 'binaryen' });
  for (const flags of [['-g'], ['-gdwarf-4', '-O0']]) yield make(await compileDebug(everyMember, flags), {});
}

test('the revision is that of the modules that prepare makes', async () => {
  const hash = createHash('sha256');
  for await (const bytes of prepared()) hash.update(bytes);
  const now = hash.digest('hex').slice(0, 12);
  expect(revision, `prepare makes other bytes now: write '${now}' in src/prepare/revision.ts`).toBe(now);
});
