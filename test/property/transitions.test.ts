// Transitions against a model in plain data: random instances, nested and sleeping activations, applies, reverts, reversals,
// forces, safe points, looks at host calls and on the event loop. After each step everything that can be seen is what the model
// says, and no activation of `both` has seen f and g of two universes, unless that was asked for.
//
//   WGRAFT_SEED=1 WGRAFT_RUNS=100000 npx vitest run test/property/transitions.test.ts

import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { buildPatch } from '../../src/build/index.ts';
import { type ConsistencyModel, consistencyModels } from '../../src/patch/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import {
  type FunctionName,
  patchInWat,
  pauses,
  places,
  programInWat,
} from '../support/transitions/activation.ts';
import type { PatchFacts } from '../support/transitions/model.ts';
import { type Action, type BuiltFacts, type CallAction, World } from '../support/transitions/world.ts';
import { wat } from '../support/wat.ts';

const seed = Number(process.env['WGRAFT_SEED'] ?? 20261127);
const numRuns = Number(process.env['WGRAFT_RUNS'] ?? 400);

const set = ['both', 'f', 'g'] as const;
const kinds: readonly Omit<PatchFacts, 'version'>[] = [
  { name: 'set', functions: set, cumulative: false },
  { name: 'set-again', functions: set, cumulative: false },
  { name: 'set-and-solo', functions: [...set, 'solo'], cumulative: false },
  { name: 'pair', functions: ['f', 'g'], cumulative: false },
  { name: 'solo', functions: ['solo'], cumulative: false },
  { name: 'all', functions: set, cumulative: true },
  { name: 'only-solo', functions: ['solo'], cumulative: true },
];

let module: WebAssembly.Module;
let patches: BuiltFacts[];

beforeAll(async () => {
  const target = (await prepare(wat(programInWat), { slots: 'all' })).bytes;
  module = await WebAssembly.compile(target);
  patches = await Promise.all(
    kinds.map(async (kind, i) => {
      const version = i + 1;
      const text = patchInWat(version, kind.functions);
      const source = { kind: 'wat', text, file: `${kind.name}.wat` } as const;
      const replacements = kind.functions.map((f: FunctionName) => ({ function: f, source }));
      const { name, cumulative } = kind;
      const { bytes } = await buildPatch({ target, name, replacements, cumulative });
      return { ...kind, version, bytes };
    }),
  );
});

const which = fc.nat(7);
const model: fc.Arbitrary<ConsistencyModel> = fc.constantFrom('hybrid', ...consistencyModels);

const { action } = fc.letrec<{ action: Action; call: CallAction }>((tie) => ({
  call: fc.record({
    do: fc.constant('call' as const),
    place: fc.constantFrom(...places),
    how: fc.constantFrom(...pauses),
    inner: fc.constantFrom(...pauses),
    which,
    host: fc.array(tie('action'), { maxLength: 4, depthIdentifier: 'host' }),
    fails: fc.boolean(),
  }),
  action: fc.oneof(
    { depthIdentifier: 'host', maxDepth: 4 },
    { weight: 2, arbitrary: fc.constant({ do: 'create' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('drop', 'release', 'safePoint', 'revertTop'),
        which,
        model,
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('apply' as const), patch: which, model }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('revert' as const), patch: which, model }) },
    { weight: 1, arbitrary: fc.constant({ do: 'force' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('pump' as const), budgetMs: fc.constantFrom(0, 100) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'turn' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const), which, fails: fc.boolean() }) },
    { weight: 6, arbitrary: tie('call') },
  ) as fc.Arbitrary<Action>,
}));

/** fast-check's command: does one action to the model and to the world, and compares them. */
class Step implements fc.AsyncCommand<World['model'], World> {
  readonly #action: Action;
  constructor(taken: Action) {
    this.#action = taken;
  }
  check(): boolean {
    return true; // an action that has nothing to act on does nothing, in both
  }
  async run(_: World['model'], world: World): Promise<void> {
    await world.actOnTurn(this.#action);
  }
  toString(): string {
    return JSON.stringify(this.#action);
  }
}

test(`random histories keep what the models promise (seed ${seed}, ${numRuns} runs)`, async () => {
  const tally = { complete: 0, cancelled: 0, reversed: 0, forced: 0, waited: 0, gaveUp: 0 };
  const commands = fc.commands([action.map((a) => new Step(a))], { maxCommands: 30 });
  await fc.assert(
    fc.asyncProperty(commands, async (steps) => {
      const world = new World(module, patches);
      world.act({ do: 'create' });
      await fc.asyncModelRun(() => ({ model: world.model, real: world }), steps);
      await world.end();
      for (const key of Object.keys(tally) as (keyof typeof tally)[]) tally[key] += world.model.tally[key];
    }),
    { seed, numRuns },
  );
  if (numRuns >= 400)
    for (const [what, count] of Object.entries(tally)) expect(count, what).toBeGreaterThan(0);
}, 3_600_000);
