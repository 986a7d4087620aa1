// poll_oneoff for clocks and standard input, which wgraft waits for itself. Other descriptors are node:wasi's: a call that
// names only those goes to it as it is; one that mixes them with standard input is asked of both. While node:wasi
// waits (a full pipe behind fd_write), the program cannot be looked at; files are always ready.

import type { HostFunctions } from '../migration-points.ts';
import type { Sleeper } from '../sleeper.ts';
import {
  clockId,
  type Event,
  errno,
  eventBytes,
  type GuestMemory,
  type Subscription,
  subscriptionBytes,
  subscriptionTag,
} from './abi.ts';
import type { Stdin } from './stdin.ts';

type Poll = (subscriptions: number, events: number, count: number, resultAt: number) => number;
type Clock = Extract<Subscription, { kind: 'clock' }>;

const subscriptionLimit = 65536;

export function servePoll(
  host: HostFunctions,
  world: { stdin: Stdin; sleeper: Sleeper; memory: () => GuestMemory },
): HostFunctions {
  const { stdin, sleeper } = world;
  const hostPoll = host['poll_oneoff'] as unknown as Poll;
  const isInput = (s: Subscription): boolean => s.kind === 'read' && stdin.is(s.fd);

  const poll: Poll = (subscriptionsAt, eventsAt, count, resultAt) => {
    const memory = world.memory();
    const n = count >>> 0;
    const fits =
      memory.holds(subscriptionsAt, n * subscriptionBytes) && memory.holds(eventsAt, n * eventBytes);
    if (n === 0 || n > subscriptionLimit) return errno.inval;
    if (!fits || !memory.holds(resultAt, 4)) return errno.overflow;
    const wanted = memory.subscriptions(subscriptionsAt, n);
    const others = wanted.filter((s) => !isInput(s) && !isKnownClock(s));
    const answer = (events: readonly Event[], after = 0): number => {
      memory.writeEvents((eventsAt >>> 0) + after * eventBytes, events);
      memory.view.setUint32(resultAt >>> 0, after + events.length, true);
      return errno.success;
    };
    if (others.length === 0) return answer(wait(wanted, stdin, sleeper));
    const inputs = wanted.filter(isInput);
    if (inputs.length === 0) return hostPoll(subscriptionsAt, eventsAt, count, resultAt);
    const rest = wanted.filter((s) => !isInput(s));
    const result = withOnly(memory, subscriptionsAt, { n, rest }, () =>
      hostPoll(subscriptionsAt, eventsAt, rest.length, resultAt),
    );
    if (result !== errno.success) return result;
    return answer(inputEvents(inputs, stdin), memory.view.getUint32(resultAt >>> 0, true));
  };
  return { ...host, poll_oneoff: poll };
}

/** Sleeps until at least one of the subscriptions is due. */
function wait(wanted: readonly Subscription[], stdin: Stdin, sleeper: Sleeper): Event[] {
  const clocks = wanted.filter((s) => s.kind === 'clock').map((clock) => ({ clock, due: dueAt(clock) }));
  const inputs = wanted.filter((s) => s.kind === 'read');
  const ready = (): Event[] | undefined => {
    const now = performance.now();
    const past = clocks.filter((c) => c.due <= now);
    const events = [
      ...past.map(({ clock }) => ({ userdata: clock.userdata, type: subscriptionTag.clock })),
      ...inputEvents(inputs, stdin),
    ];
    return events.length === 0 ? undefined : events;
  };
  const deadline = Math.min(Number.POSITIVE_INFINITY, ...clocks.map((c) => c.due));
  return sleeper.until(ready, deadline) ?? ready() ?? [];
}

function inputEvents(inputs: readonly Subscription[], stdin: Stdin): Event[] {
  const found = inputs.length === 0 ? undefined : stdin.ready;
  if (found === undefined) return [];
  const event = {
    type: subscriptionTag.fdRead,
    errno: found.end === 'failed' ? errno.io : errno.success,
    bytes: found.bytes,
    hangup: found.end !== undefined,
  };
  return inputs.map(({ userdata }) => ({ userdata, ...event }));
}

function isKnownClock(s: Subscription): boolean {
  return s.kind === 'clock' && (s.clock === clockId.realtime || s.clock === clockId.monotonic);
}

/** When the clock is due, in performance.now() time. */
function dueAt(clock: Clock): number {
  const now = performance.now();
  if (!clock.absolute) return now + Number(clock.timeoutNs) / 1e6;
  const clockNow =
    clock.clock === clockId.realtime ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint();
  return now + Number(clock.timeoutNs - clockNow) / 1e6;
}

/** Calls with only `rest` in the guest's array of `n` subscriptions; puts the array back as it was. */
function withOnly(
  memory: GuestMemory,
  at: number,
  { n, rest }: { n: number; rest: readonly Subscription[] },
  call: () => number,
): number {
  const saved = memory.bytes(at, n * subscriptionBytes).slice();
  const start = at >>> 0;
  rest.forEach((s, i) => {
    const from = s.at - start;
    memory
      .bytes(start + i * subscriptionBytes, subscriptionBytes)
      .set(saved.subarray(from, from + subscriptionBytes));
  });
  try {
    return call();
  } finally {
    memory.bytes(at, saved.length).set(saved);
  }
}
