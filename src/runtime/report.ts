// What the patcher says of programs and transitions, as plain data.

import { WgraftError } from '../errors.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Blocking, PatchState, ProgramStatus, TransitionResult } from './operations.ts';
import type { Program } from './program.ts';
import type { Transition } from './transition.ts';

export function describePatch(patch: LoadedPatch): {
  id: string;
  name: string;
  functions: readonly string[];
} {
  return { id: patch.id, name: patch.manifest.name, functions: patch.functionNames };
}

export function describeProgram(program: Program, transition: Transition | undefined): ProgramStatus {
  const pending = new Set(transition?.pending);
  const state = (switched: boolean): PatchState => {
    if (transition === undefined) return -1;
    return switched === (transition.direction === 'apply') ? 1 : 0;
  };
  return {
    name: program.name,
    buildId: program.buildId,
    slots: program.map.functions.filter((f) => f.slot !== undefined).length,
    universe: program.universe,
    forced: program.forced,
    instances: program.instances.map((i) => ({ id: i.id, state: state(!pending.has(i)) })),
    patches: program.stack.map(({ patch, state }) => ({
      ...describePatch(patch),
      state,
      cumulative: patch.manifest.cumulative === true,
      states: patch.manifest.states ?? [],
      metadata: patch.manifest.metadata,
    })),
    transition: transition && {
      patch: transition.record.patch.manifest.name,
      direction: transition.takesOff ? 'revert' : 'apply',
      model: transition.model,
      phase: phaseOf(transition),
      runningMs: performance.now() - transition.startedAt,
      instances: progressOf(transition),
    },
  };
}

function phaseOf({ state }: Transition): 'preparing' | 'committing' | 'finishing' {
  return state === 'preparing' || state === 'committing' ? state : 'finishing';
}

export function describeBlocking(transition: Transition): Blocking[] {
  const inOrder = transition.blocking.sort((a, b) => a.id - b.id); // in line they stand as they were last looked at
  return inOrder.flatMap(({ id, waiting }): Blocking[] => {
    if (waiting === undefined) return [];
    const blockedMs = performance.now() - waiting.since;
    return [{ program: transition.program.name, instance: id, blockedMs, ...waiting.activity }];
  });
}

/** The result of a transition as whoever began it in `direction` is told; a reversed one is not complete for him. */
export function describeTransition(transition: Transition, direction: 'apply' | 'revert'): TransitionResult {
  return {
    program: transition.program.name,
    patch: describePatch(transition.record.patch),
    direction,
    complete: isAsWanted(transition, direction),
    universe: transition.universe,
    instances: progressOf(transition),
    elapsedMs: performance.now() - transition.startedAt,
  };
}

/** A revert that finds the patch still staging cancels it: the patch is off, as was wanted. */
function isAsWanted({ state, direction }: Transition, wanted: 'apply' | 'revert'): boolean {
  if (state === 'cancelled') return wanted === 'revert';
  return state === 'complete' && direction === wanted;
}

export function stalledError(transition: Transition): WgraftError {
  return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', {
    program: transition.program.name,
    patch: transition.record.patch.manifest.name,
    ...transition.overview,
  });
}

function progressOf({ overview: { done, total } }: Transition): { done: number; total: number } {
  return { done, total };
}
