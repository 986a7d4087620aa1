// The two engines, held together: the same slot map and the same behaviour, on every small kernel and on real programs.

import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { type Engine, engines, findSlotMap, type SlotPolicy } from '../../src/patch/index.ts';
import { type Prepared, prepare } from '../../src/prepare/index.ts';
import { fixtures } from '../support/fixtures.ts';
import { kernels } from '../support/kernels.ts';
import { slotted } from '../support/slots.ts';
import { wat } from '../support/wat.ts';
import { observe, run, substitute, workloads } from '../support/workloads/index.ts';

const timeout = 120_000;

const unsuitable = { code: 'WGRAFT_ERR_ENGINE_UNSUITABLE', details: { engine: 'binaryen' } };

/** All that a slot map says, but for the engine. */
function facts(bytes: Uint8Array): unknown {
  const map = findSlotMap(bytes);
  if (map === undefined) throw new Error('not a prepared module');
  const { engine: _, functions, ...header } = map;
  return { header, functions: functions.map((f) => ({ ...f, hash: Buffer.from(f.hash).toString('hex') })) };
}

/** Both forms of a module, their slot maps compared. */
async function both(module: Uint8Array, slots: SlotPolicy): Promise<Record<Engine, Prepared>> {
  const splice = await prepare(module, { slots, engine: 'splice' });
  const binaryen = await prepare(module, { slots, engine: 'binaryen' });
  expect(facts(binaryen.bytes)).toEqual(facts(splice.bytes));
  const { report } = splice;
  const { functions, slots: given, slotless, policy, dropped } = binaryen.report;
  expect({ functions, slots: given, slotless, policy, dropped }).toEqual({
    functions: report.functions,
    slots: report.slots,
    slotless: report.slotless,
    policy: report.policy,
    dropped: report.dropped,
  });
  return { splice, binaryen };
}

describe('small kernels', () => {
  test.each(kernels.filter((k) => !k.gc))('$name', async ({ text, imports = () => ({}), run: use }) => {
    const kernel = wat(text);
    const { instance } = await WebAssembly.instantiate(kernel, imports());
    const expected = use({ ...instance.exports });
    const prepared = await both(kernel, 'all');
    for (const [engine, { bytes }] of Object.entries(prepared)) {
      const free = await slotted(bytes, imports());
      expect([engine, use(free.exports)]).toEqual([engine, expected]);
      const taken = await slotted(bytes, imports());
      const other = await slotted(bytes, imports());
      for (const f of taken.map.functions) taken.redirect(f.index, other.take(f.index));
      expect([engine, use(taken.exports)]).toEqual([engine, expected]);
    }
  });

  // What they do, prepared by either engine, is in test/fixtures.test.ts.
  test.each(fixtures.filter((fixture) => !fixture.gc))('wasm-fixtures/$name', async ({ compile }) => {
    await both(await compile('v1'), 'all');
  });

  test.each(kernels.filter((k) => k.gc))('$name: binaryen refuses them', async ({ text }) => {
    await expect(prepare(wat(text), { engine: 'binaryen' })).rejects.toMatchObject(unsuitable);
  });
});

/** Its module of 14 MB takes 18 s of CPU here (the engines agreed on it on 2026-11-27); test/packages runs it, prepared by binaryen too. */
const left = ['esbuild'];
const refused = ['dart_fmt'];

describe('real programs', () => {
  let said: MockInstance<typeof console.error>;

  // Emscripten's dynamic linker speaks of every export of a library that it cannot link.
  beforeEach(() => {
    said = vi.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterEach(() => said.mockRestore());

  test.each(workloads.filter(({ name }) => ![...left, ...refused].includes(name)))(
    '$name',
    { timeout },
    async ({ start }) => {
      const plain = await observe(start, 0.1);
      const prepared: Record<Engine, Prepared>[] = [];
      for (const module of plain.modules) prepared.push(await both(module, 'auto'));
      for (const engine of engines) {
        const substitutes = prepared.map((p) => p[engine].bytes);
        const digest = await run(start, substitute(plain.modules, substitutes), 0.1);
        expect([engine, digest]).toEqual([engine, plain.digest]);
      }
    },
  );

  test.each(workloads.filter(({ name }) => refused.includes(name)))(
    '$name: binaryen refuses it',
    { timeout },
    async ({ start }) => {
      const { modules } = await observe(start, 0.1);
      for (const module of modules)
        await expect(prepare(module, { engine: 'binaryen' })).rejects.toMatchObject(unsuitable);
    },
  );
});
