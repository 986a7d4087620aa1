// One entry, in a process of its own, forked by entry.ts, so that a crash or a hang costs one row. Takes one Job, tells each
// phase that begins, and ends with the Result. The guest's own output goes where the parent sent this process's.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Patcher, WgraftError } from '../../src/index.ts';
import { type Prepared, prepare } from '../../src/prepare/index.ts';
import { buildFromBuilds, loadBuilder } from './builder.ts';
import { type Expected, expectedOf, otherChecks, Scoreboard } from './expected.ts';
import { liveKinds } from './live-kinds.ts';
import { beginObject, type LiveObject } from './live-object.ts';
import type { Job, Message, Outcome, PatchFigures, Phase, Result } from './outcome.ts';
import { patchFigures } from './patch-figures.ts';
import { type Running, runPrepared, runRound } from './program.ts';
import { countReached } from './reached.ts';
import { nothingChanges, type Recipe } from './recipe.ts';

interface Live {
  readonly recipe: Recipe;
  readonly expected: Expected;
  readonly patcher: Patcher;
  readonly module: WebAssembly.Module;
  readonly running: Running;
  readonly scoreboard: Scoreboard;
}

let phase: Phase = 'reading';

function enter(next: Phase): void {
  phase = next;
  tell({ phase });
}

function tell(message: Message): void {
  process.send?.(message);
}

async function runEntry(job: Job): Promise<Result> {
  const recipe: Recipe = JSON.parse(job.recipe);
  const [oldBytes, newBytes] = await Promise.all([readFile(job.old), readFile(job.new)]);
  enter('running the builds plainly');
  const expected = await expectedOf(recipe, oldBytes, newBytes);
  const { notes } = expected;
  enter('preparing');
  const prepared = await refusable(() => prepare(oldBytes, { slots: job.slots }));
  if ('refused' in prepared) return { outcome: prepared.refused, notes };
  const { report, bytes } = prepared.value;
  await keep(job, 'old.prepared.wasm', bytes);
  enter('running old prepared');
  const live = await start(recipe, expected, bytes);
  const judged = await patchLive(job, live, { old: oldBytes, new: newBytes, prepared: prepared.value });
  return {
    ...judged,
    moduleBytes: bytes.length,
    functions: report.functions,
    slots: report.slots,
    prepareMs: report.elapsedMs,
    peakMb: process.resourceUsage().maxRSS / 1024,
    notes,
  };
}

async function start(recipe: Recipe, expected: Expected, bytes: Uint8Array<ArrayBuffer>): Promise<Live> {
  const patcher = new Patcher();
  const module = await WebAssembly.compile(bytes);
  const running = await runPrepared(module, { patcher, name: recipe.name });
  const scoreboard = new Scoreboard();
  scoreboard.compare('before the patch', runRound(running, expected.calls[0]), expected.old[0]);
  return { recipe, expected, patcher, module, running, scoreboard };
}

interface Inputs {
  readonly old: Uint8Array;
  readonly new: Uint8Array;
  readonly prepared: Prepared;
}

type Judged = Pick<Result, 'outcome' | 'patch' | 'otherChecks'>;

async function patchLive(job: Job, live: Live, inputs: Inputs): Promise<Judged> {
  const { recipe, scoreboard } = live;
  enter('building the patch');
  const build = await loadBuilder(job.builder);
  if (build === undefined) return { outcome: scoreboard.outcome({ kind: 'no builder' }) };
  const { name, cve: cves } = recipe;
  const options = { old: inputs.old, new: inputs.new, target: inputs.prepared.bytes };
  const made = await buildFromBuilds(build, { ...options, name, metadata: { cves } });
  const saysNothing = recipe.kinds.includes(nothingChanges);
  if (made.kind === 'nothing') {
    if (!saysNothing)
      scoreboard.add(`the builder says that nothing changed; it is ${recipe.kinds.join(', ')}`);
    return { outcome: scoreboard.outcome({ kind: 'nothing' }) };
  }
  if (made.kind === 'refused')
    return { outcome: scoreboard.outcome({ kind: 'refused', during: phase, error: made.error }) };
  if (saysNothing) scoreboard.add('the builder made a patch where nothing changes');
  const { bytes } = made.built;
  await keep(job, 'patch.wgp', bytes);
  const second = await buildFromBuilds(build, { ...options, name, metadata: { cves } });
  if (second.kind !== 'patch' || Buffer.compare(second.built.bytes, bytes) !== 0)
    scoreboard.add('a second build of the patch gives other bytes');
  enter('counting reached functions');
  const reached = await countReached(recipe, live.module, made.built.manifest.replaces);
  return applyAndRevert(live, bytes, { ...patchFigures(made), reached });
}

async function applyAndRevert(
  { recipe, expected, patcher, module, running, scoreboard }: Live,
  patch: Uint8Array,
  figures: PatchFigures,
): Promise<Judged> {
  enter('applying');
  const { name } = recipe;
  const begin = (): Promise<LiveObject | undefined> => beginObject(liveKinds, module, { patcher, name });
  const ofOldCode = await begin();
  const applied = await refusable(() => patcher.apply(patch, { timeoutMs: 10_000 }));
  if ('refused' in applied) return { outcome: scoreboard.outcome(applied.refused), patch: figures };
  scoreboard.transition(applied.value);
  enter('running patched');
  scoreboard.compare('patched', runRound(running, expected.calls[1]), expected.new[1]);
  const fresh = (): Promise<Running> => runPrepared(module, { patcher, name });
  scoreboard.finish('that the old code began', ofOldCode);
  scoreboard.compare('born patched', runRound(await fresh(), expected.calls[1]), expected.born);
  enter('making the other checks');
  const patchedChecks = await otherChecks(recipe, expected.checks.new, fresh, 'patched');
  enter('reverting');
  const ofNewCode = await begin();
  const reverted = await refusable(() => patcher.revert(undefined, { timeoutMs: 10_000 }));
  if ('refused' in reverted) {
    scoreboard.add(`cannot be reverted: ${reverted.refused.error.message}`);
  } else {
    scoreboard.transition(reverted.value);
    enter('running reverted');
    scoreboard.compare('reverted', runRound(running, expected.calls[2]), expected.old[2]);
    scoreboard.finish('that the new code began', ofNewCode);
  }
  const revertedChecks = await otherChecks(recipe, expected.checks.old, fresh, 'reverted');
  return {
    outcome: scoreboard.outcome({ kind: 'applied' }),
    patch: {
      ...figures,
      applyMs: applied.value.elapsedMs,
      ...('value' in reverted ? { revertMs: reverted.value.elapsedMs } : {}),
    },
    otherChecks: {
      equal: patchedChecks.equal + revertedChecks.equal,
      differing: [...patchedChecks.differing, ...revertedChecks.differing],
    },
  };
}

type Refused = Extract<Outcome, { kind: 'refused' }>;

/** A typed error is an answer; any other is a bug and goes on up. */
async function refusable<T>(work: () => Promise<T>): Promise<{ value: T } | { refused: Refused }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!WgraftError.is(error) || error.code === 'WGRAFT_ERR_INTERNAL') throw error;
    return { refused: { kind: 'refused', during: phase, error: error.toJSON() } };
  }
}

async function keep(job: Job, file: string, bytes: Uint8Array): Promise<void> {
  if (job.keep === undefined) return;
  await mkdir(job.keep, { recursive: true });
  await writeFile(path.join(job.keep, file), bytes);
}

process.once('message', (job: Job) => {
  void runEntry(job)
    .catch((error: unknown): Result => {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { outcome: { kind: 'failed', during: phase, reason }, notes: [] };
    })
    .then((result) => {
      tell({ result });
      process.disconnect?.();
    });
});
