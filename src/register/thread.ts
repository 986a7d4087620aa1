// One thread of the program, as the control thread knows it: what its patcher said last, and the requests it has not answered.

import type { MessagePort } from 'node:worker_threads';
import { WgraftError } from '../errors.ts';
import type { Mirror } from '../host/threads/index.ts';
import type { ConsistencyModel } from '../patch/index.ts';
import {
  type Blocking,
  defaultModel,
  type ProgramStatus,
  type TransitionOptions,
  type TransitionResult,
  type VerifyReport,
} from '../runtime/index.ts';
import type { Change, Part, PartListener, Target } from './part.ts';
import type { Question, Report, Sharing } from './protocol.ts';

/** What an apply or revert in line is to become. */
interface Wanted extends Target {
  readonly direction: 'apply' | 'revert';
  readonly model: ConsistencyModel;
  readonly since: number;
}

interface Pending {
  readonly wanted: Wanted | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: WgraftError) => void;
}

export interface ThreadListener extends PartListener {
  /** It works on a memory that others have too. */
  shares(sharing: Sharing): void;
  /** It has given that memory up. */
  sharesNoMore(channel: string): void;
  ended(thread: Thread): void;
}

/** How long a thread may take to answer before it counts as busy, ms. */
const patienceMs = 100;

export class Thread implements Part {
  readonly id: number;
  readonly #port: MessagePort;
  readonly #pending = new Map<number, Pending>();
  /** The oldest question after its well-being that it has not answered. */
  #ping: { readonly since: number; readonly answered: Promise<unknown> } | undefined;
  #mirror: Mirror = { status: { pid: process.pid, programs: [] }, blocking: [] };
  #mirroredAt = performance.now();
  #ended = false;
  #nextId = 1;

  constructor(id: number, port: MessagePort, listener: ThreadListener) {
    this.id = id;
    this.#port = port;
    port.on('message', (report: Report) => this.#receive(report, listener));
    port.on('close', () => {
      this.#ended = true;
      for (const [key, { reject }] of this.#pending) {
        this.#pending.delete(key);
        reject(this.#endedError());
      }
      listener.ended(this);
    });
  }

  get title(): string {
    return `thread ${this.id}`;
  }

  /** The program as it is called here: workers add their thread id, since each has instances of its own. */
  label(program: string): string {
    return this.id === 0 ? program : `${program}@${this.id}`;
  }

  get programs(): readonly ProgramStatus[] {
    return this.#mirror.status.programs;
  }

  runs(buildId: string): boolean {
    return this.programs.some((p) => p.buildId === buildId);
  }

  has(id: string): boolean {
    return (
      this.programs.some((p) => p.patches.some((on) => on.id === id)) ||
      [...this.#pending.values()].some((p) => p.wanted?.direction === 'apply' && p.wanted.id === id)
    );
  }

  /** With how long it has been busy. */
  async look(): Promise<readonly ProgramStatus[]> {
    const busyMs = await this.busyMs();
    const age = performance.now() - this.#mirroredAt;
    return this.programs.map((p) => {
      const program = { ...aged(p, age), name: this.label(p.name) };
      return busyMs === 0 ? program : { ...this.#withWaiting(program), busyMs };
    });
  }

  async blocking(): Promise<readonly Blocking[]> {
    const busyMs = await this.busyMs();
    const age = performance.now() - this.#mirroredAt;
    const known = this.#mirror.blocking.map((b) => ({
      ...b,
      program: this.label(b.program),
      blockedMs: b.blockedMs + age,
    }));
    if (known.length > 0 || busyMs === 0) return known;
    const waiting = this.programs.filter((p) => this.#waitingFor(p) !== undefined);
    return waiting.flatMap((p) =>
      p.instances.map(({ id }) => ({
        program: this.label(p.name),
        instance: id,
        blockedMs: busyMs,
        busyMs,
        state: 'unseen' as const,
        functions: [],
        stack: [],
      })),
    );
  }

  verify(patch: Uint8Array): Promise<VerifyReport> {
    return this.#ask({ call: 'verify', patch }) as Promise<VerifyReport>; // link.ts answers with it
  }

  force(options: TransitionOptions): Promise<TransitionResult> {
    return this.#ask({ call: 'force', options }) as Promise<TransitionResult>; // link.ts answers with it
  }

  async change(question: Change, wanted: Target, timeoutMs: number): Promise<TransitionResult> {
    const { model = defaultModel } = question.options;
    const direction = question.call;
    const answer = this.#ask(question, { ...wanted, direction, model, since: performance.now() });
    void this.busyMs(); // after it in line: as long as that is not answered, this was not taken
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#stalled(wanted)), timeoutMs);
    });
    const result = await Promise.race([answer, late]).finally(() => clearTimeout(timer));
    return result as TransitionResult; // link.ts answers with it
  }

  /** Its event loop turns, or has not for so long. */
  async busyMs(): Promise<number> {
    if (this.#ping === undefined) {
      const answered = this.#ask({ call: 'ping' }).catch(() => {});
      const ping = { since: performance.now(), answered };
      this.#ping = ping;
      answered.then(() => {
        this.#ping = undefined;
      });
    }
    const { since, answered } = this.#ping;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([answered, patience]).finally(() => clearTimeout(timer));
    return this.#ping === undefined ? 0 : performance.now() - since;
  }

  #receive(report: Report, listener: ThreadListener): void {
    switch (report.type) {
      case 'mirror':
        this.#mirror = report.mirror;
        this.#mirroredAt = performance.now();
        return listener.changed(this);
      case 'event':
        return listener.event({ ...report.event, program: this.label(report.event.program) });
      case 'sharing':
        return listener.shares(report.sharing);
      case 'no-sharing':
        return listener.sharesNoMore(report.channel);
      case 'reply':
        return this.#settle(report.id)?.resolve(report.result);
      case 'refusal':
        return this.#settle(report.id)?.reject(WgraftError.from(report.error));
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #ask(question: Question, wanted?: Wanted): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#endedError());
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { wanted, resolve, reject });
    });
    answer.catch(() => {}); // a time-out may have been reported in its place
    this.#port.postMessage({ ...question, id });
    return answer;
  }

  #waitingFor({ buildId }: ProgramStatus): Wanted | undefined {
    for (const { wanted } of this.#pending.values()) if (wanted?.buildId === buildId) return wanted;
    return undefined;
  }

  /** What is in line at a busy thread will be carried out: it is shown as the transition that it is to become. */
  #withWaiting(program: ProgramStatus): ProgramStatus {
    const waiting = this.#waitingFor(program);
    if (program.transition !== undefined || waiting === undefined) return program;
    const { patch, direction, model, since } = waiting;
    const instances = { done: 0, total: program.instances.length };
    const runningMs = performance.now() - since;
    const phase = 'preparing';
    return { ...program, transition: { patch, direction, model, phase, runningMs, instances } };
  }

  #stalled({ buildId, patch }: Target): WgraftError {
    const program = this.programs.find((p) => p.buildId === buildId);
    const name = this.label(program?.name ?? buildId.slice(0, 12));
    const { done, total } = program?.transition?.instances ?? {
      done: 0,
      total: program?.instances.length ?? 0,
    };
    const functions = [...new Set(this.#mirror.blocking.flatMap((b) => b.functions))];
    const details = { program: name, patch, done, total, functions };
    if (this.#ping === undefined) return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', details);
    const seconds = ((performance.now() - this.#ping.since) / 1000).toFixed(1);
    const reason = `the event loop of "${name}" has not turned for ${seconds}s, and it can only be switched there`;
    return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', { ...details, reason });
  }

  #endedError(): WgraftError {
    return new WgraftError('WGRAFT_ERR_PROGRAM_ENDED', {
      program: this.title,
      how: 'its thread ended',
    });
  }
}

function aged(program: ProgramStatus, ms: number): ProgramStatus {
  const { transition } = program;
  if (transition === undefined) return program;
  return { ...program, transition: { ...transition, runningMs: transition.runningMs + ms } };
}
