// Whatever a kernel has, its prepared form does what the kernel does: with free slots, and with every slot taken by the
// same function of a second instance, so that each value type goes through a redirect.

import { beforeAll, describe, expect, test } from 'vitest';
import { slotPolicies } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { kernels } from '../../support/kernels.ts';
import { slotted } from '../../support/slots.ts';
import { wat } from '../../support/wat.ts';

describe.each(kernels)('$name', ({ text, imports = () => ({}), run }) => {
  let kernel: Uint8Array<ArrayBuffer>;
  let expected: unknown;

  beforeAll(async () => {
    kernel = wat(text);
    const { instance } = await WebAssembly.instantiate(kernel, imports());
    expected = run({ ...instance.exports });
  });

  test.each(slotPolicies)('behaves the same with slots: %s', async (slots) => {
    const { bytes } = await prepare(kernel, { slots });
    const { exports } = await slotted(bytes, imports());
    expect(run(exports)).toEqual(expected);
  });

  test('behaves the same through redirects', async () => {
    const { bytes, report } = await prepare(kernel, { slots: 'all' });
    expect(report.slots).toBe(report.functions);
    const old = await slotted(bytes, imports());
    const other = await slotted(bytes, imports());
    for (const f of old.map.functions) old.redirect(f.index, other.take(f.index));
    expect(run(old.exports)).toEqual(expected);
    for (const f of old.map.functions) old.redirect(f.index, null);
    expect(run(old.exports)).toEqual(expected);
  });
});
