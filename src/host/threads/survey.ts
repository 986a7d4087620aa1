// What a group says of all its threads: the conductor's programs and transition, with the instances that the threads told of.

import type {
  Blocking,
  InstanceStatus,
  Overview,
  ProgramStatus,
  Status,
  Transition,
} from '../../runtime/index.ts';
import type { Board } from './board.ts';
import type { Order } from './protocol.ts';
import type { ThreadLink } from './thread-link.ts';

export interface Threads {
  readonly board: Board;
  readonly links: readonly ThreadLink[];
  readonly order: Order | undefined;
  /** They are reached at their event loops only. */
  readonly areHooked: boolean;
}

/** @param status the conductor's */
export function statusOf(status: Status, threads: Threads): Status {
  return { ...status, programs: status.programs.map((p) => programOf(p, threads)) };
}

function programOf(program: ProgramStatus, threads: Threads): ProgramStatus {
  const busyMs = Math.max(0, ...threads.links.filter((l) => here(l, program.buildId)).map((l) => l.busyMs));
  return {
    ...program,
    instances: threads.links.flatMap((link) => instancesOf(link, program.buildId, threads)),
    ...(busyMs > 0 ? { busyMs } : {}),
  };
}

/** @param blocked threads that are waited for and cannot be looked at count, with all their instances of the program. */
export function blockingOf(transition: Transition | undefined, threads: Threads): Blocking[] {
  return threads.links.flatMap((link) => {
    const { busyMs } = link;
    const thread = link.thread ?? 0;
    const known = (link.mirror?.blocking ?? []).map((b) => ({
      ...b,
      thread,
      ...(busyMs > 0 ? { busyMs } : {}),
    }));
    if (known.length > 0 || busyMs === 0 || transition === undefined || isThrough(link, threads))
      return known;
    const { name, buildId } = transition.program;
    const unseen = { state: 'unseen', functions: [], stack: [] } as const;
    return (here(link, buildId)?.instances ?? []).map(({ id }) => ({
      program: name,
      instance: id,
      thread,
      blockedMs: busyMs,
      busyMs,
      ...unseen,
    }));
  });
}

export function overviewOf(transition: Transition, threads: Threads): Overview {
  const { buildId } = transition.program;
  const wanted = transition.takesOff ? 0 : 1;
  const instances = threads.links.flatMap((link) => instancesOf(link, buildId, threads));
  const total = instances.length;
  const done = transition.over ? total : instances.filter((i) => i.state === wanted).length;
  const functions = new Set(
    threads.links.flatMap((l) => l.mirror?.blocking ?? []).flatMap((b) => b.functions),
  );
  const busy = threads.links.filter((l) => l.busyMs > 0 && !isThrough(l, threads) && here(l, buildId));
  const reason = (threads.areHooked ? whyNotAtLoops : whyNotAtCalls)(busy);
  return { done, total, functions: [...functions], ...(busy.length > 0 ? { reason } : {}) };
}

function whyNotAtCalls(busy: readonly ThreadLink[]): string {
  const reasons = busy.map((l) => `thread ${l.thread} has made no host call for ${showSeconds(l.busyMs)}`);
  const help = busy.some((l) => l.attention === undefined)
    ? ' (prepared with --attention: at its function calls, too)'
    : '';
  return `${reasons.join(', ')}, and can only be switched at one${help}`;
}

function whyNotAtLoops(busy: readonly ThreadLink[]): string {
  const reasons = busy.map(
    (l) => `the event loop of thread ${l.thread} has not turned for ${showSeconds(l.busyMs)}`,
  );
  return `${reasons.join(', ')}, and it can only be switched there`;
}

function showSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

function instancesOf(link: ThreadLink, buildId: string, threads: Threads): InstanceStatus[] {
  const thread = link.thread ?? 0;
  const state = ({ state }: InstanceStatus): InstanceStatus['state'] => {
    const { order } = threads;
    if (order?.buildId !== buildId) return -1;
    const wanted = order.direction === 'apply' ? 1 : 0;
    if (isThrough(link, threads)) return wanted;
    return state === -1 ? (wanted === 1 ? 0 : 1) : state;
  };
  return (here(link, buildId)?.instances ?? []).map((i) => ({ id: i.id, state: state(i), thread }));
}

/** It has nothing left to switch. */
function isThrough({ row }: ThreadLink, { board, order }: Threads): boolean {
  return order !== undefined && board.stageOf(row, order.number) >= 3;
}

function here(link: ThreadLink, buildId: string): ProgramStatus | undefined {
  return link.mirror?.status.programs.find((p) => p.buildId === buildId);
}
