// The one long wait: a transition that somebody asked for. Shows progress on a terminal, says what blocks when it stalls,
// and lets Ctrl-C stop the waiting but not the transition.

import type { ControlClient } from '../control/index.ts';
import { exitCodes, WgraftError } from '../errors.ts';
import type { Blocking, PatcherEvent, TransitionResult } from '../runtime/index.ts';
import { longWait } from './long-wait.ts';
import { showTime } from './options.ts';
import { type Output, withMore } from './output.ts';

export interface Wait {
  readonly client: ControlClient;
  readonly doing: 'apply' | 'revert' | 'force';
  /** The transition is to be over; without it, begun. */
  readonly toItsEnd: boolean;
  readonly begin: () => Promise<TransitionResult>;
}

/** How long Ctrl-C takes to ask what state it leaves, ms. */
const lastLookMs = 1000;

/** Carries a transition to its end, or to the reason why there is none. */
export async function awaitTransition(output: Output, wait: Wait): Promise<TransitionResult> {
  const progress = await showProgress(output, wait);
  const interrupt = onInterrupt(wait, progress.stop);
  try {
    const result = await Promise.race([wait.begin(), interrupt.interrupted]);
    if (wait.toItsEnd && !result.complete) throw reversed(result);
    return result;
  } catch (error) {
    throw await explainStall(error, wait.client);
  } finally {
    interrupt.stop();
    progress.stop();
  }
}

/** Somebody asked for the opposite while we waited. */
function reversed({ program, patch, direction: doing }: TransitionResult): WgraftError {
  return new WgraftError('WGRAFT_ERR_TRANSITION_REVERSED', { program, patch: patch.name, doing });
}

function onInterrupt(wait: Wait, hide: () => void): { interrupted: Promise<never>; stop: () => void } {
  let handler = (): void => {};
  const interrupted = new Promise<never>((_, reject) => {
    handler = () => {
      hide();
      // Whoever presses it again does not want to hear any more.
      process.once('SIGINT', () => process.exit(exitCodes.interrupted));
      describeState(wait).then((state) =>
        reject(new WgraftError('WGRAFT_ERR_INTERRUPTED', { doing: wait.doing, state })),
      );
    };
    process.once('SIGINT', handler);
  });
  interrupted.catch(() => {});
  return { interrupted, stop: () => void process.off('SIGINT', handler) };
}

/** What Ctrl-C leaves behind, asked of the program itself. */
async function describeState({ client }: Wait): Promise<string> {
  const unknown = `${client.label} does not answer; if the request reached it, it will still carry it out`;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, lastLookMs, undefined);
  });
  const status = await Promise.race([client.status(), late]).catch(() => undefined);
  clearTimeout(timer);
  if (status === undefined) return unknown;
  const [running] = status.programs.flatMap((p) => p.transition ?? []);
  if (running === undefined) return `no transition runs in ${client.label}`;
  const { done, total } = running.instances;
  return `the transition of ${running.patch} goes on in ${client.label}, ${done} of ${total} instances have switched`;
}

async function explainStall(error: unknown, client: ControlClient): Promise<unknown> {
  if (!WgraftError.is(error, 'WGRAFT_ERR_TRANSITION_STALLED')) return error;
  const blocking = await client.blocking().catch((): readonly Blocking[] => []);
  return withMore(error, { lines: blocking.map(showBlocking), fields: { blocking } });
}

/** Where what blocks is, followed by for how long. */
export function stateInWords(state: Blocking['state']): string {
  const words = {
    running: 'running',
    suspended: 'suspended for',
    unwound: 'unwound for',
    unseen: 'not to be looked at for',
    'no-safe-point': 'at no safe point for',
  } as const;
  return words[state];
}

export function showBlocking(b: Blocking): string {
  const runs = b.stack.length > 0 ? b.stack.join(' > ') : b.functions.join(', ');
  const state =
    b.busyMs === undefined ? `${stateInWords(b.state)} ${showTime(b.blockedMs)}` : showBusy(b.busyMs);
  return `instance ${showInstance(b)}   ${state}   ${runs}`.trimEnd();
}

function showBusy(busyMs: number): string {
  return `no host call for ${showTime(busyMs)}`;
}

/** Threads number their instances each for itself. */
export function showInstance({ instance, thread }: Pick<Blocking, 'instance' | 'thread'>): string {
  return thread === undefined ? String(instance) : `${instance} of thread ${thread}`;
}

async function showProgress(output: Output, wait: Wait): Promise<{ stop: () => void }> {
  // Not Ctrl-C, which leaves the transition running and says so.
  const shown = await longWait(output, `${wait.doing} in ${wait.client.label}`, ['SIGTERM', 'SIGHUP']);
  let state = 'waiting';
  let switched = 0;
  const unsubscribe = wait.client.subscribe((event: PatcherEvent) => {
    if (event.type === 'migrated') switched += 1;
    if (event.type === 'transition') state = event.step === 'starting' ? 'waiting' : event.step;
    shown.show(state, `${switched} switched`);
  });
  shown.show(state, `${switched} switched`);
  return {
    stop: () => {
      shown.stop();
      unsubscribe();
    },
  };
}
