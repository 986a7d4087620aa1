// Prepared modules of programs that no one here made do what the originals do: the same results, on the engine alone and
// through wgraft's `instantiate`.

import { afterEach, beforeAll, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { instantiate } from '../../src/host/index.ts';
import {
  type Engine,
  findSlotMap,
  hasGuard,
  reservedPrefix,
  type SlotMapFunction,
  type SlotPolicy,
} from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { Patcher } from '../../src/runtime/index.ts';
import { wrapTyped } from '../support/typed-wrapper.ts';
import {
  type Loader,
  type Observation,
  observe,
  run,
  substitute,
  workloads,
} from '../support/workloads/index.ts';
import { wrapped } from '../support/wrapper.ts';

const timeout = 300_000;

type Bytes = Uint8Array<ArrayBuffer>;

interface Way {
  readonly engine: Engine;
  readonly slots: SlotPolicy;
}

const ways: readonly Way[] = [
  { engine: 'splice', slots: 'all' },
  { engine: 'splice', slots: 'auto' },
  { engine: 'splice', slots: 'entry' },
  { engine: 'binaryen', slots: 'all' },
];

describe.each(workloads)('$name', (workload) => {
  // binaryen.js cannot write the redirect's type where a module declares GC types, and says so.
  const possible = ways.filter((way) => way.engine !== 'binaryen' || !workload.traits.includes('gc'));
  const prepared = new Map<Way, Promise<Bytes[]>>();
  let plain: Observation;
  let said: MockInstance<typeof console.error>;

  beforeAll(async () => {
    plain = await observe(workload.start);
  }, timeout);
  beforeEach(() => {
    said = vi.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterEach(() => said.mockRestore());

  function prepareOnce(way: Way): Promise<Bytes[]> {
    const found = prepared.get(way) ?? prepareAll(plain, way);
    prepared.set(way, found);
    return found;
  }

  test('does the same each time', { timeout }, async () => {
    expect(plain.modules.length).toBeGreaterThan(0);
    expect(await run(workload.start)).toBe(plain.digest);
  });

  test.each(possible)('prepared by $engine with slots $slots: same results', { timeout }, async (way) => {
    const loader = substitute(plain.modules, await prepareOnce(way));
    expect(await run(workload.start, loader)).toBe(plain.digest);
  });

  test.each(possible)(
    'through instantiate, by $engine with $slots: same results',
    { timeout },
    async (way) => {
      const patcher = new Patcher();
      const substitutes = await prepareOnce(way);
      const loader = throughWgraft(substitute(plain.modules, substitutes), patcher);
      expect(await run(workload.start, loader)).toBe(plain.digest);
      expect(said.mock.calls).toEqual([]);
      const { programs } = await patcher.status();
      expect(programs.map((program) => [program.slots, program.instances.length])).toEqual(
        substitutes.map((bytes) => [
          findSlotMap(bytes)?.functions.filter((f) => f.slot !== undefined).length,
          1,
        ]),
      );
    },
  );

  if (workload.traits.includes('gc')) {
    test('is refused by binaryen', async () => {
      await expect(prepareAll(plain, { engine: 'binaryen', slots: 'all' })).rejects.toMatchObject({
        code: 'WGRAFT_ERR_ENGINE_UNSUITABLE',
      });
    });
  }
  test.each(['all', 'auto', 'entry'] as const)(
    'functions wrapped by hand, slots %s: same results',
    {
      timeout,
    },
    async (slots) => {
      const patcher = new Patcher();
      const substitutes = await prepareOnce({ engine: 'splice', slots });
      const loader = throughWgraft(substitute(plain.modules, substitutes), patcher);
      const running = await workload.start(loader);
      for (const target of substitutes) {
        const chosen = chooseSome(target);
        if (chosen.length === 0) continue;
        const patch = workload.traits.includes('gc')
          ? await wrapTyped(target, chosen)
          : await buildPatch({ target, name: 'wrappers', replacements: chosen.map(wrapped) });
        expect(await patcher.apply(patch.bytes)).toMatchObject({ complete: true });
      }
      await running.work(0.05);
      expect(await run(workload.start, loader)).toBe(plain.digest);
    },
  );
});

/** Some that have no slot, some that have it in the table, and a few with guards. */
function chooseSome(target: Bytes): SlotMapFunction[] {
  const all = findSlotMap(target)?.functions ?? [];
  const slotless = all.filter((f) => f.slot === undefined);
  const inTable = all.filter((f) => f.tableEntries.length > 0);
  return [...someOf(slotless, 6), ...someOf(inTable, 100), ...someOf(all.filter(hasGuard), 10)];
}

/** At most `count`, from all over the list. */
function someOf<T>(list: readonly T[], count: number): T[] {
  return list.filter((_, i) => i % Math.ceil(list.length / count) === 0);
}

async function prepareAll(plain: Observation, way: Way): Promise<Bytes[]> {
  const prepared = await Promise.all(plain.modules.map((module) => prepare(module, way)));
  for (const { bytes, report } of prepared) {
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(report.slots).toBeGreaterThan(0);
  }
  return prepared.map(({ bytes }) => bytes);
}

/** A host that uses wgraft: `instantiate` where it can wait, and the patcher told where it cannot. */
function throughWgraft(loader: Loader, patcher: Patcher): Loader {
  const look = (instance: WebAssembly.Instance): void => {
    const reserved = Object.keys(instance.exports).filter((name) => name.startsWith(reservedPrefix));
    expect(reserved).toEqual([]);
  };
  return {
    ...loader,
    async instantiate(module, imports) {
      const { instance } = await instantiate(module, imports, { patcher });
      look(instance);
      return instance;
    },
    adopt(instance, module, imports) {
      if (WebAssembly.Module.customSections(module, 'wgraft.slots').length === 0) return;
      patcher.adopt(instance, module, imports);
      look(instance);
    },
  };
}
