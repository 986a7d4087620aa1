// The main thread's side of the operations on a program that runs in a worker. What can be answered here is answered here,
// because a program that computes without a host call answers nothing: `status` and `blocking` from the mirror (nothing
// changes in the worker without a report of it), `verify` from the prepared module. apply and revert are sent to the
// worker and time out here; one that was not taken in time stays in line, as a stalled transition goes on.

import { WgraftError } from '../../errors.ts';
import { type ConsistencyModel, findSlotMap, type SlotMap } from '../../patch/index.ts';
import {
  type Blocking,
  defaultModel,
  Events,
  type LoadedPatch,
  loadPatch,
  matchPatch,
  type Operations,
  otherBuild,
  type PatcherEvent,
  type ProgramStatus,
  type Status,
  type TransitionOptions,
  type TransitionResult,
  type VerifyReport,
} from '../../runtime/index.ts';
import type { Mirror, Question, Report, Request } from './protocol.ts';

interface Pending {
  /** The transition that it asks for; undefined for a ping. */
  readonly wanted: Wanted | undefined;
  readonly resolve: (result: TransitionResult | undefined) => void;
  readonly reject: (error: WgraftError) => void;
}

interface Wanted {
  readonly patch: string;
  readonly direction: 'apply' | 'revert';
  readonly model: ConsistencyModel;
  readonly since: number;
}

const defaultTimeoutMs = 30_000;
/** How long a program has to come to a host call before it is called busy. */
const patienceMs = 100;

export class RemoteOperations implements Operations {
  readonly #prepared: Uint8Array;
  readonly #send: (request: Request) => void;
  readonly #events = new Events();
  readonly #pending = new Map<number, Pending>();
  /** The oldest question after the program's well-being that it has not answered. */
  #ping: { readonly since: number; readonly answered: Promise<unknown> } | undefined;
  #mirror: Mirror;
  #mirroredAt = performance.now();
  #map: SlotMap | undefined;
  #ended: WgraftError | undefined;
  #nextId = 1;

  constructor(prepared: Uint8Array, mirror: Mirror, send: (request: Request) => void) {
    this.#prepared = prepared;
    this.#mirror = mirror;
    this.#send = send;
  }

  /** Takes a report of the worker that concerns operations. */
  receive(report: Report): void {
    switch (report.type) {
      case 'mirror':
        this.#mirror = report.mirror;
        this.#mirroredAt = performance.now();
        return;
      case 'event':
        return this.#events.emit(report.event);
      case 'reply':
        return this.#settle(report.id, (p) => p.resolve(report.result));
      case 'refusal':
        return this.#settle(report.id, (p) => p.reject(WgraftError.from(report.error)));
      default:
        return;
    }
  }

  #settle(id: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending !== undefined) settle(pending);
  }

  /** The program is over: whoever waits is told, and whoever asks from now on. */
  end(how: string): void {
    this.#ended = new WgraftError('WGRAFT_ERR_PROGRAM_ENDED', { program: this.#program.name, how });
    for (const id of [...this.#pending.keys()]) this.#settle(id, (p) => p.reject(this.#endedError()));
  }

  async status(): Promise<Status> {
    const busyMs = await this.#askWellBeing();
    const age = performance.now() - this.#mirroredAt;
    const { pid, programs } = this.#mirror.status;
    if (busyMs === 0) return { pid, programs: programs.map((p) => aged(p, age)) };
    return { pid, programs: programs.map((p) => ({ ...this.#withWaiting(aged(p, age)), busyMs })) };
  }

  async blocking(): Promise<readonly Blocking[]> {
    const busyMs = await this.#askWellBeing();
    const age = performance.now() - this.#mirroredAt;
    const busy = busyMs === 0 ? {} : { busyMs };
    const known = this.#mirror.blocking.map((b) => ({ ...b, blockedMs: b.blockedMs + age, ...busy }));
    const waiting = this.#firstWaiting;
    if (known.length > 0 || busyMs === 0 || waiting === undefined) return known;
    const { name, instances } = this.#program;
    return instances.map(({ id }) => ({
      program: name,
      instance: id,
      blockedMs: performance.now() - waiting.since,
      state: 'unseen',
      functions: [],
      stack: [],
      ...busy,
    }));
  }

  async verify(bytes: Uint8Array): Promise<VerifyReport> {
    const { id, manifest, functionNames } = this.#check(bytes);
    const { name, patches } = this.#program;
    return {
      program: name,
      patch: { id, name: manifest.name, functions: functionNames },
      applied: patches.some((p) => p.id === id),
    };
  }

  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    const { manifest } = this.#check(bytes);
    return this.#transition({ call: 'apply', patch: bytes, options }, manifest.name, options);
  }

  async revert(patch: string | undefined, options: TransitionOptions = {}): Promise<TransitionResult> {
    const name = patch ?? this.#program.patches.at(-1)?.name ?? '(any)';
    return this.#transition({ call: 'revert', patch, options }, name, options);
  }

  async force(options: TransitionOptions = {}): Promise<TransitionResult> {
    const running = this.#program.transition;
    if (running === undefined) throw new WgraftError('WGRAFT_ERR_NO_TRANSITION', {});
    return this.#transition({ call: 'force', options }, running.patch, options);
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  /** A worker runs one program. */
  get #program(): ProgramStatus {
    const [program] = this.#mirror.status.programs;
    if (program === undefined)
      throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'a worker without program' });
    return program;
  }

  /** The oldest apply or revert that has not been answered. */
  get #firstWaiting(): Wanted | undefined {
    for (const { wanted } of this.#pending.values()) if (wanted !== undefined) return wanted;
    return undefined;
  }

  /**
   * A busy program with an apply or revert in line is not settled: that will be carried out, whether or not somebody still
   * waits for it. It is shown as the transition that it is to become.
   */
  #withWaiting(program: ProgramStatus): ProgramStatus {
    const waiting = this.#firstWaiting;
    if (program.transition !== undefined || waiting === undefined) return program;
    const { patch, direction, model, since } = waiting;
    const instances = { done: 0, total: program.instances.length };
    const runningMs = performance.now() - since;
    return {
      ...program,
      transition: { patch, direction, model, phase: 'preparing', runningMs, instances },
    };
  }

  /** What the patcher will check again in the worker; here, so that a busy program need not be waited for. */
  #check(bytes: Uint8Array): LoadedPatch {
    if (this.#ended !== undefined) throw this.#endedError();
    const patch = loadPatch(bytes);
    const { buildId } = this.#program;
    this.#map ??= findSlotMap(this.#prepared);
    const map = this.#map;
    if (patch.manifest.target.buildId !== buildId)
      throw otherBuild(patch, map === undefined ? [] : [{ buildId, map }]);
    if (map !== undefined) matchPatch(patch, map);
    return patch;
  }

  async #transition(
    question: Question,
    patch: string,
    { timeoutMs = defaultTimeoutMs, model = defaultModel }: TransitionOptions,
  ): Promise<TransitionResult> {
    const direction = question.call === 'revert' ? 'revert' : 'apply';
    const reply = this.#ask(question, { patch, direction, model, since: performance.now() });
    const taken = this.#askWellBeing(); // after it in line: as long as this is not answered, that was not taken
    taken.catch(() => {}); // it fails with the program's end, as `reply` does
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#stalled(patch)), timeoutMs);
    });
    const result = await Promise.race([reply, late]).finally(() => clearTimeout(timer));
    if (result === undefined)
      throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'a reply without a result' });
    return result;
  }

  #stalled(patch: string): WgraftError {
    const { name, transition, instances } = this.#program;
    const { done, total } = transition?.instances ?? { done: 0, total: instances.length };
    const functions = [...new Set(this.#mirror.blocking.flatMap((b) => b.functions))];
    const details = { program: name, patch, done, total, functions };
    if (this.#ping === undefined) return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', details);
    const seconds = ((performance.now() - this.#ping.since) / 1000).toFixed(1);
    const reason =
      `"${name}" has made no host call for ${seconds}s, and can only be switched at one ` +
      '(wgraft_safe_point, called in its loop, would be one)';
    return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', { ...details, reason });
  }

  #ask(question: Question, wanted?: Wanted): Promise<TransitionResult | undefined> {
    if (this.#ended !== undefined) return Promise.reject(this.#endedError());
    const id = this.#nextId++;
    const reply = new Promise<TransitionResult | undefined>((resolve, reject) => {
      this.#pending.set(id, { wanted, resolve, reject });
    });
    reply.catch(() => {}); // a time-out may have been reported in its place
    this.#send({ ...question, id });
    return reply;
  }

  /** 0 where the program answers, else for how long it has not, ms. */
  async #askWellBeing(): Promise<number> {
    if (this.#ping === undefined) {
      const answered = this.#ask({ call: 'ping' });
      this.#ping = { since: performance.now(), answered };
      answered.then(
        () => {
          this.#ping = undefined;
        },
        () => {},
      );
    }
    const { since, answered } = this.#ping;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([answered, patience]).finally(() => clearTimeout(timer));
    return this.#ping === undefined ? 0 : performance.now() - since;
  }

  #endedError(): WgraftError {
    return this.#ended ?? new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'the program has not ended' });
  }
}

function aged(program: ProgramStatus, ms: number): ProgramStatus {
  const { transition } = program;
  if (transition === undefined) return program;
  return { ...program, transition: { ...transition, runningMs: transition.runningMs + ms } };
}
