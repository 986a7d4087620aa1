// A group: the threads of a process that run programs together in one shared memory, patched as one. It answers the operations for
// all of them, so that `listen` and the command line work on it as on a single patcher. It lives on one thread, whose event loop
// should turn; that thread's own instances join by an invitation, like others.

import { type BroadcastChannel, MessageChannel, type MessagePort } from 'node:worker_threads';
import { WgraftError } from '../../errors.ts';
import { readPatch } from '../../patch/index.ts';
import {
  type Blocking,
  type Conflict,
  type Operations,
  Patcher,
  type PatcherEvent,
  type Status,
  type TransitionOptions,
  type TransitionResult,
  type VerifyReport,
} from '../../runtime/index.ts';
import { Board } from './board.ts';
import { Chronicle } from './chronicle.ts';
import { Conductor } from './conductor.ts';
import type { FromThread, Invitation, Mirror, Order, ToThread } from './protocol.ts';
import { blockingOf, overviewOf, statusOf, type Threads } from './survey.ts';
import { ThreadLink } from './thread-link.ts';
import { Wire } from './wire.ts';

export interface ThreadGroupOptions {
  /** How many threads it can have at a time. Default 256. */
  readonly maxThreads?: number;
}

/** What is different under the register hook. */
export interface HookedGroup {
  /** A thread has told how it is. */
  readonly onMirror: () => void;
  /** The last thread has left. */
  readonly onEmpty: () => void;
}

/** A thread that was admitted. */
export interface Admitted {
  /** It has said how it is, not as a member yet. */
  reflect(mirror: Mirror): void;
  /** It has ended. */
  end(): void;
}

/** @public Patches all threads of a group, and reports on them. */
export class ThreadGroup implements Operations {
  readonly #patcher = new Patcher();
  readonly #board: Board;
  readonly #conductor: Conductor;
  readonly #links = new Map<number, ThreadLink>();
  readonly #chronicle = new Chronicle(() => this.#drain());
  readonly #hooked: HookedGroup | undefined;
  #lastPhase = 0;

  constructor({ maxThreads = 256 }: ThreadGroupOptions = {}, hooked?: HookedGroup) {
    this.#hooked = hooked;
    this.#board = Board.create(maxThreads);
    this.#conductor = new Conductor(this.#patcher, this.#board, {
      gather: () => this.#gather(),
      tell: (message) => this.#tell(message),
      overview: (transition) => overviewOf(transition, this.#threads),
      absent: (order, round) => this.#absent(order, round),
    });
    this.#patcher.subscribe((event) => {
      if (event.type === 'transition') this.#chronicle.step(event);
    });
  }

  /**
   * Makes place for one more thread. It is one of the group when it calls `joinGroup`; until then nothing waits for it.
   * @example
   * const invitation = group.invite();
   * new Worker(file, { workerData: { invitation }, transferList: [invitation.port] });
   * @throws WGRAFT_ERR_GROUP_FULL
   */
  invite(): Invitation {
    const { port1, port2 } = new MessageChannel();
    const link = this.#connect(port1);
    port1.once('close', () => this.#leave(link));
    this.#welcome(link);
    return { port: port2, board: this.#board.words.buffer, row: link.row };
  }

  /**
   * Takes in a thread that may have instances already: from now on all wait for it.
   * @param thread Node's `threadId`
   * @throws WGRAFT_ERR_GROUP_FULL
   * @internal
   */
  admit(channel: BroadcastChannel, thread: number, mirror: Mirror): Admitted {
    const link = this.#connect(channel);
    link.thread = thread;
    link.mirror = mirror;
    this.#board.enter(link.row);
    this.#welcome(link);
    return { reflect: (newer) => link.reflect(newer, false), end: () => this.#leave(link) };
  }

  /** A program that its threads run. @internal */
  introduce(module: WebAssembly.Module, name: string | undefined): void {
    this.#patcher.introduce(module, name).isKept = true;
  }

  #connect(channel: MessagePort | BroadcastChannel): ThreadLink {
    const limit = this.#board.capacity;
    const row = Array.from({ length: limit }, (_, i) => i).find((i) => !this.#links.has(i));
    if (row === undefined) throw new WgraftError('WGRAFT_ERR_GROUP_FULL', { limit });
    const link = new ThreadLink(row, new Wire(channel), this.#board.bell(row));
    this.#links.set(row, link);
    link.hear((report) => {
      this.#hear(link, report);
      this.#goOn();
    });
    return link;
  }

  #welcome(link: ThreadLink): void {
    const { row } = link;
    link.post({ type: 'welcome', state: this.#conductor.state, board: this.#board.words.buffer, row });
  }

  async verify(bytes: Uint8Array): Promise<VerifyReport> {
    return this.#patcher.verify(bytes);
  }

  /** As `Patcher.apply`, in all threads. @throws what that throws */
  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    this.#gather();
    this.#refuseOther(readPatch(bytes).manifest.target.buildId);
    const transition = this.#patcher.beginApply(bytes, options, this.#conductor.coordination);
    this.#conductor.conduct(transition, bytes);
    return this.#patcher.wait(transition, 'apply', options);
  }

  /** As `Patcher.revert`, in all threads. @throws what that throws */
  async revert(patch?: string, options: TransitionOptions = {}): Promise<TransitionResult> {
    const running = this.#conductor.isRunning ? this.#conductor.transition : undefined;
    const wanted = patch ?? running?.record.patch.id;
    const owner = this.#patcher
      .statusNow()
      .programs.find((p) => p.patches.some(({ id, name }) => name === wanted || id === wanted));
    if (owner !== undefined) this.#refuseOther(owner.buildId);
    const transition = this.#patcher.beginRevert(wanted, options, this.#conductor.coordination);
    this.#conductor.conduct(transition);
    return this.#patcher.wait(transition, 'revert', options);
  }

  /** As `Patcher.force`, in all threads that can be reached. @throws WGRAFT_ERR_NO_TRANSITION */
  async force(options: TransitionOptions = {}): Promise<TransitionResult> {
    const transition = this.#patcher.beginForce();
    this.#tell({ type: 'force' });
    return this.#patcher.wait(transition, transition.takesOff ? 'revert' : 'apply', options);
  }

  async status(): Promise<Status> {
    await this.#ask();
    return this.statusNow();
  }

  /** As it was last known. @internal */
  statusNow(): Status {
    return statusOf(this.#patcher.statusNow(), this.#threads);
  }

  async blocking(): Promise<readonly Blocking[]> {
    await this.#ask();
    return blockingOf(this.#conductor.isRunning ? this.#conductor.transition : undefined, this.#threads);
  }

  /** Transitions are told once, what happens to instances with their thread. */
  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#chronicle.subscribe(listener);
  }

  get #threads(): Threads {
    return {
      board: this.#board,
      links: [...this.#links.values()].sort((a, b) => (a.thread ?? 0) - (b.thread ?? 0)),
      order: this.#conductor.order,
      areHooked: this.#hooked !== undefined,
    };
  }

  /** One transition at a time, of all programs: the board has room for one. */
  #refuseOther(buildId: string): void {
    const { transition, isRunning } = this.#conductor;
    if (!isRunning || transition === undefined || transition.program.buildId === buildId) return;
    const details = { program: transition.program.name, patch: transition.record.patch.manifest.name };
    throw new WgraftError('WGRAFT_ERR_TRANSITION_RUNS', details);
  }

  #tell(message: ToThread): void {
    for (const link of this.#links.values()) link.post(message);
  }

  async #ask(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.ask()));
  }

  #gather(): void {
    this.#drain();
    if (this.#conductor.isRunning) for (const link of this.#links.values()) link.look();
  }

  #drain(): void {
    for (const link of this.#links.values()) for (const report of link.unheard()) this.#hear(link, report);
  }

  /** Something was heard: the conductor looks, and lets all look where they can go on. */
  #goOn(): void {
    this.#patcher.pump();
    this.#chronicle.flush();
    const { phase } = this.#board;
    if (phase !== this.#lastPhase && this.#conductor.isRunning) this.#tell({ type: 'look' });
    this.#lastPhase = phase;
  }

  #hear(link: ThreadLink, report: FromThread): void {
    switch (report.type) {
      case 'joined':
        link.thread = report.thread;
        return;
      case 'attention':
        link.attention = report.words;
        return;
      case 'program':
        return this.introduce(report.module, report.name);
      case 'event':
        if (report.event.type !== 'transition')
          this.#chronicle.hear({ ...report.event, thread: link.thread ?? 0 });
        return;
      case 'mirror':
        link.reflect(report.mirror, report.isAnswer);
        return this.#hooked?.onMirror();
      case 'reached':
        return;
      case 'placed':
        return this.#patcher.program(report.buildId)?.places.merge(report.places);
      case 'conflicts': {
        const thread = link.thread ?? 0;
        return this.#conductor.note(
          report.round,
          report.conflicts.map((c) => ({ ...c, thread })),
        );
      }
      case 'failed':
        return this.#conductor.fail(report.order, WgraftError.from(report.error));
    }
  }

  /** A thread has ended. All that it said was heard. */
  #leave(link: ThreadLink): void {
    if (this.#links.get(link.row) !== link) return;
    this.#links.delete(link.row);
    this.#board.leave(link.row);
    link.close();
    const thread = link.thread ?? 0;
    for (const { name, instances } of link.mirror?.status.programs ?? [])
      for (const { id } of instances)
        this.#chronicle.hear({ type: 'instance', program: name, instance: id, thread, change: 'gone' });
    this.#goOn();
    if (this.#links.size === 0) this.#hooked?.onEmpty();
  }

  #absent(order: Order, round: number): Conflict[] {
    const absent = [...this.#links.values()].filter(
      ({ row }) => this.#board.stageOf(row, order.number) < 3 && this.#board.voteOf(row) !== round,
    );
    return absent.flatMap(({ mirror, thread = 0 }) => {
      const program = mirror?.status.programs.find((p) => p.buildId === order.buildId);
      return (program?.instances ?? []).map(({ id }) => ({ instance: id, functions: [], thread }));
    });
  }
}
