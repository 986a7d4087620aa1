// A thread of a group: it has a patcher of its own, whose transitions are the group's. Orders are taken wherever the thread can be
// reached: at its event loop, at each host call of its programs, and while it sleeps in `sleep`.

import { threadId } from 'node:worker_threads';
import {
  type Heritage,
  type InstanceHandle,
  Patcher,
  type PatcherEvent,
  programId,
} from '../../runtime/index.ts';
import { engine } from '../../wasm/index.ts';
import { Attention, wantsAttention } from '../attention.ts';
import type { Bell } from '../bell.ts';
import type { Instantiated, InstantiateOptions } from '../instantiate.ts';
import { LookBudget } from '../look-budget.ts';
import { withMigrationPoints } from '../migration-points.ts';
import { withSafePoints } from '../safe-point.ts';
import { Sleeper } from '../sleeper.ts';
import { Board } from './board.ts';
import { CarryOut } from './carry-out.ts';
import type { FromThread, Invitation, ToThread } from './protocol.ts';
import { Wire } from './wire.ts';

/** `wait` cannot be woken by the bell: it looks at it so often, ms. */
const waitSliceMs = 50;

/** A group that has moved its board tells why at once, or never, ms. */
const breathMs = 1000;

/**
 * Joins this thread to a group. What the group was asked for since the invitation is taken at once.
 * @example
 * const member = joinGroup(workerData.invitation);
 * const { instance } = await member.instantiate(module, { env: { memory } });
 */
export function joinGroup(invitation: Invitation): Member {
  return new Member(new Wire(invitation.port), invitation);
}

/** @public A thread's part in a group. */
export class Member {
  readonly patcher: Patcher;
  readonly #wire: Wire<ToThread, FromThread>;
  readonly #bell: Bell;
  readonly #sleeper: Sleeper;
  readonly #budget = new LookBudget();
  readonly #carryOut: CarryOut;
  /** What programs have of which this thread has no instance yet. */
  readonly #heritages = new Map<string, Heritage>();
  readonly #told = new Set<string>();
  #attention: Attention | undefined;
  #visiting = false;
  #blocking = '';
  #isMirrorDue = false;
  /** The group wants to know how this thread is; it does not ask again before it is told. */
  #isAsked = false;
  #isScheduled = false;

  /** @param patcher it may have instances already. */
  constructor(
    wire: Wire<ToThread, FromThread>,
    { board, row }: Omit<Invitation, 'port'>,
    patcher: Patcher = new Patcher(),
  ) {
    this.patcher = patcher;
    this.#wire = wire;
    const shared = new Board(board);
    this.#bell = shared.bell(row);
    this.#sleeper = new Sleeper(this.#bell, (asleep) => this.#visit(asleep));
    this.#carryOut = new CarryOut(this.patcher, shared, row, (report) => this.#report(report));
    this.patcher.subscribe((event) => this.#heard(event));
    this.#report({ type: 'joined', thread: threadId });
    this.#takeMessages();
    if (patcher.statusNow().programs.length > 0) this.#tell();
    wire.listen((message) => this.#serve(message));
  }

  /**
   * Instantiates a prepared module as `instantiate` does: the instance has all that its program has in the group before it is given
   * out. Its host functions are migration points. A module with a start function has run that by then.
   * @throws what `instantiate` throws
   */
  async instantiate(
    source: BufferSource | WebAssembly.Module,
    imports: WebAssembly.Imports = {},
    options: Omit<InstantiateOptions, 'patcher'> = {},
  ): Promise<Instantiated> {
    const module = source instanceof WebAssembly.Module ? source : await engine.compile(source);
    const safePoints = withSafePoints(module, imports, this.patcher);
    const wrapped = this.withMigrationPoints(safePoints.imports);
    const attention = wantsAttention(module) ? this.#attended() : undefined;
    const instance = await engine.instantiate(module, attention?.give(wrapped) ?? wrapped);
    safePoints.bind(instance);
    attention?.bind(instance, () => this.#visit(false, instance));
    return { module, instance, wgraft: this.adopt(instance, module, wrapped, options) };
  }

  /** Takes in an instance that was made otherwise, best with imports from `withMigrationPoints`, before it runs. @throws what `Patcher.adopt` throws */
  adopt(
    instance: WebAssembly.Instance,
    module: WebAssembly.Module,
    imports: WebAssembly.Imports = {},
    options: { readonly name?: string } = {},
  ): InstanceHandle {
    this.#expect(module, options.name);
    const born = this.#carryOut.makeRoom(programId(module));
    const handle = this.patcher.adopt(instance, module, imports, options);
    born();
    this.#tell(); // it may run from now on, and not come by for long
    return handle;
  }

  /** The imports, with every host function made a migration point: one atomic load before and after each call. */
  withMigrationPoints(imports: WebAssembly.Imports): WebAssembly.Imports {
    const wrap = (given: WebAssembly.ModuleImports): WebAssembly.ModuleImports => {
      const functions = Object.entries(given).filter(([, value]) => isHostFunction(value));
      const wrapped = withMigrationPoints(
        Object.fromEntries(functions) as Record<string, (...args: never[]) => unknown>,
        this.#bell,
        () => this.#visit(false),
      );
      return { ...given, ...(wrapped as WebAssembly.ModuleImports) };
    };
    return Object.fromEntries(Object.entries(imports).map(([name, given]) => [name, wrap(given)]));
  }

  /** A migration point: takes orders and lets transitions work, wherever the caller is. Never throws. */
  visit(): void {
    this.#visit(false);
  }

  /** Blocks this thread for a host call that sleeps. Meanwhile it can be looked at and migrated. */
  sleep(ms: number): void {
    this.#sleeper.until(() => undefined, performance.now() + ms);
  }

  /** `Atomics.wait` for host calls: as it, but meanwhile the thread can be looked at and migrated. */
  wait(
    words: Int32Array<SharedArrayBuffer>,
    index: number,
    value: number,
    timeoutMs: number = Number.POSITIVE_INFINITY,
  ): 'ok' | 'not-equal' | 'timed-out' {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.#bell.called) this.#visit(true);
      const leftMs = deadline - performance.now();
      const woken = Atomics.wait(words, index, value, Math.max(0, Math.min(leftMs, waitSliceMs)));
      if (woken !== 'timed-out' || leftMs <= waitSliceMs) return woken;
    }
  }

  /** One word for all instances of the thread. */
  #attended(): Attention {
    if (this.#attention === undefined) {
      this.#attention = new Attention();
      this.#report({ type: 'attention', words: this.#attention.words });
    }
    return this.#attention;
  }

  /** Gives a program to the patcher before its first instance here, with all that it has. */
  #expect(module: WebAssembly.Module, name: string | undefined): void {
    this.#takeMessages();
    const id = programId(module);
    if (!this.#told.has(id)) this.#report({ type: 'program', module, name });
    this.#told.add(id);
    if (this.patcher.program(id) === undefined) this.#enterInto(id);
    this.patcher.introduce(module, name, this.#heritages.get(id));
  }

  /** With a bound, since the group's thread may die between two words. */
  #enterInto(id: string): void {
    const deadline = performance.now() + breathMs;
    while (!this.#carryOut.enterInto(id) && performance.now() < deadline) this.#takeMessages();
  }

  #heard(event: PatcherEvent): void {
    if (event.type === 'transition') this.#carryOut.heard(event);
    else this.#report({ type: 'event', event });
    this.#isMirrorDue = true;
    this.#tellSoon();
  }

  /** In the next turn of the event loop, unless it is told before. */
  #tellSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isAsked) this.patcher.pump();
      if (this.#isAsked || this.#isMirrorDue) this.#tell();
    }).unref();
  }

  /** At the event loop. */
  #serve(message: ToThread): void {
    this.#bell.answer();
    this.#take(message);
    if (message.type !== 'look') return;
    this.patcher.pump();
    this.#tell();
  }

  /** Staging may call the program's allocator, whose own host calls lead here again: those pass. */
  #visit(asleep: boolean, atEntryOf?: WebAssembly.Instance): void {
    if (this.#visiting) return;
    this.#visiting = true;
    try {
      this.#bell.answer(); // before looking at the port: what is sent from now on calls again
      const asked = this.#takeMessages();
      const runs = this.#carryOut.isRunning;
      if (runs && (asked || asleep || this.#budget.isLookDue))
        this.#budget.spend(() => this.#look(atEntryOf));
      if (asked) this.#tell();
      if (this.#carryOut.isRunning) this.#bell.keep();
    } catch (cause) {
      this.#carryOut.fail(cause);
    } finally {
      this.#visiting = false;
    }
  }

  /** Never throws. @returns true where there were any */
  #takeMessages(): boolean {
    let asked = false;
    for (;;) {
      const message = this.#wire.receive();
      if (message === undefined) return asked;
      asked = true;
      this.#take(message);
    }
  }

  #take(message: ToThread): void {
    switch (message.type) {
      case 'welcome':
        for (const [id, heritage] of Object.entries(message.state.programs))
          this.#heritages.set(id, heritage);
        return this.#carryOut.join(message.state.order);
      case 'order':
        return this.#carryOut.take(message.order);
      case 'settled':
        this.#heritages.set(message.buildId, message.heritage);
        return this.#carryOut.settled();
      case 'force':
        return this.#carryOut.force();
      case 'look':
        this.#isAsked = true;
        return this.#tellSoon(); // whoever took it may have something else to do
    }
  }

  #look(atEntryOf: WebAssembly.Instance | undefined): void {
    if (atEntryOf === undefined) this.patcher.pump();
    else this.patcher.atEntry(atEntryOf);
    if (this.#blocking !== this.#blockingNow()) this.#tell();
  }

  #blockingNow(): string {
    return JSON.stringify(this.patcher.blockingNow().map(({ blockedMs: _, ...rest }) => rest));
  }

  #tell(): void {
    const isAnswer = this.#isAsked;
    this.#isAsked = false;
    this.#isMirrorDue = false;
    this.#blocking = this.#blockingNow();
    const mirror = { status: this.patcher.statusNow(), blocking: this.patcher.blockingNow() };
    this.#report({ type: 'mirror', mirror, isAnswer });
  }

  #report(report: FromThread): void {
    this.#wire.post(report);
  }
}

/** Functions that another Wasm module exports are named by their index, and are no host calls. */
function isHostFunction(value: unknown): boolean {
  return typeof value === 'function' && !/^\d+$/.test(value.name);
}
