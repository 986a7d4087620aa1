// What an entry must do: the builds themselves, run plainly through the same calls, say it. And the comparison with that.

import type { TransitionResult } from '../../src/index.ts';
import type { LiveObject } from './live-object.ts';
import type { Outcome } from './outcome.ts';
import { isTrap, liveCall, type Round, type Running, roundCalls, runPlain, runRound } from './program.ts';
import type { Recipe, Value } from './recipe.ts';

type Three<T> = readonly [T, T, T];

export interface Expected {
  /** The calls before the patch, with it, and after it is reverted. */
  readonly calls: Three<readonly string[]>;
  /** What the builds give in these three rounds, on one instance each. */
  readonly old: Three<Round>;
  readonly new: Three<Round>;
  /** What the new build gives on a fresh instance, for one that is born patched. */
  readonly born: Round;
  /** The driver's checks for other fixes, each on an instance of its own. */
  readonly checks: { readonly old: Round; readonly new: Round };
  /** Where a build does not do what the recipe says. */
  readonly notes: readonly string[];
}

/** Drivers count their checks from 1, with gaps, and answer -99 to others. */
const checksTried = 12;
const noSuchCheck = -99;

export async function expectedOf(
  recipe: Recipe,
  oldBytes: BufferSource,
  newBytes: BufferSource,
): Promise<Expected> {
  const modules = {
    old: await WebAssembly.compile(oldBytes),
    new: await WebAssembly.compile(newBytes),
  };
  const [oldBuild, newBuild] = [await runPlain(modules.old), await runPlain(modules.new)];
  // After a check that traps the instance is of no use, so the old build's is not made.
  const safe = !isTrap(recipe.observable?.old);
  const without = roundCalls(recipe, oldBuild, safe);
  const calls: Three<readonly string[]> = [without, roundCalls(recipe, oldBuild, true), without];
  const old = runThree(oldBuild, [without, without, without]);
  const fresh = runThree(newBuild, calls);
  return {
    calls: withoutDoubtful(calls, old[1], fresh[1]),
    old,
    new: fresh,
    born: runRound(await runPlain(modules.new), calls[1]),
    checks: { old: await runChecks(recipe, modules.old), new: await runChecks(recipe, modules.new) },
    notes: await compareWithRecipe(recipe, modules),
  };
}

function runThree(running: Running, [before, during, after]: Three<readonly string[]>): Three<Round> {
  return [runRound(running, before), runRound(running, during), runRound(running, after)];
}

/** What kept state makes of later calls can only be foretold where both builds agree. */
function withoutDoubtful(
  [before, during, after]: Three<readonly string[]>,
  old: Round,
  fresh: Round,
): Three<readonly string[]> {
  const agreed = old.get(liveCall) === fresh.get(liveCall);
  return [before, agreed ? during : during.filter((call) => call !== liveCall), after];
}

async function runChecks(recipe: Recipe, module: WebAssembly.Module): Promise<Round> {
  const round = new Map<string, Value>();
  for (let k = 1; k <= checksTried; k += 1) {
    const call = `drv_check:${k}`;
    if (call === recipe.observable?.call) continue;
    const value = (await runPlain(module)).call(call);
    if (value !== noSuchCheck) round.set(call, value);
  }
  return round;
}

async function compareWithRecipe(
  recipe: Recipe,
  modules: { readonly old: WebAssembly.Module; readonly new: WebAssembly.Module },
): Promise<string[]> {
  const notes: string[] = [];
  for (const side of ['old', 'new'] as const) {
    const running = await runPlain(modules[side]);
    const says = [[recipe.workload, recipe.workload_result[side]] as const];
    if (recipe.observable !== undefined) says.push([recipe.observable.call, recipe.observable[side]]);
    for (const [call, value] of says) {
      const got = running.call(call);
      if (got !== value)
        notes.push(`${side} build, run plainly: ${call} gave ${got}; the recipe says ${value}`);
    }
  }
  return notes;
}

/** Makes the checks on fresh instances and compares. */
export async function otherChecks(
  recipe: Recipe,
  expected: Round,
  fresh: () => Promise<Running>,
  when: string,
): Promise<{ equal: number; differing: string[] }> {
  const differing: string[] = [];
  for (const [call, value] of expected) {
    if (call === recipe.observable?.call) continue;
    const got = (await fresh()).call(call);
    if (got !== value) differing.push(`${when}: ${call} gave ${got}, must be ${value}`);
  }
  return { equal: expected.size - differing.length, differing };
}

/** Collects what is not as it must be. */
export class Scoreboard {
  readonly #differences: string[] = [];

  add(difference: string): void {
    this.#differences.push(difference);
  }

  compare(when: string, got: Round, expected: Round): void {
    for (const [call, value] of got) {
      const must = expected.get(call);
      if (value !== must) this.add(`${when}: ${call} gave ${value}, must be ${must}`);
    }
  }

  /** Ends the life of an object that was begun before the last transition. */
  finish(which: string, object: LiveObject | undefined): void {
    const fault = object?.finish();
    if (fault !== undefined) this.add(`an object ${which} is spoilt: ${fault}`);
  }

  transition({ direction, complete, instances }: TransitionResult): void {
    if (complete && instances.done === instances.total && instances.total > 0) return;
    this.add(`${direction} said it was done with ${instances.done} of ${instances.total} instances`);
  }

  /** That outcome, unless something was wrong. */
  outcome(otherwise: Outcome): Outcome {
    return this.#differences.length === 0 ? otherwise : { kind: 'wrong', differences: this.#differences };
  }
}
