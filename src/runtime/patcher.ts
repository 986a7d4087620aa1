// The patcher: all programs of one thread, what is applied to them, and the operations on them. Everything that decides
// is synchronous, so that it can also run at a host call of a program that never returns; the Operations wrap it in promises.

import { WgraftError } from '../errors.ts';
import { beBorn, leave } from './birth.ts';
import { defaultModel, refuseUntrusted } from './consistency.ts';
import { Events } from './events.ts';
import { handleOf, type InstanceHandle } from './handle.ts';
import { refuseHiding } from './hiding.ts';
import type { Instance, Wake } from './instance.ts';
import { type LoadedPatch, loadPatch, matchPatch, otherBuild } from './loaded-patch.ts';
import type {
  Blocking,
  Operations,
  PatcherEvent,
  Status,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from './operations.ts';
import { type Heritage, type PatchRecord, Program, programId } from './program.ts';
import {
  describeBlocking,
  describePatch,
  describeProgram,
  describeTransition,
  stalledError,
} from './report.ts';
import { Scheduler } from './scheduler.ts';
import { refuseIncompatible } from './states.ts';
import { Counters, type Stats } from './stats.ts';
import { trackSuspensions } from './suspension.ts';
import { Transition } from './transition.ts';
import type { Coordination } from './transition-settings.ts';

export interface AdoptOptions {
  /** What the program is called in `status`; default: `wasm-` and the start of its build id. */
  readonly name?: string;
  /** Makes a sleeping instance come by a migration point; called every few looks that find a transition waiting for it. */
  readonly wake?: Wake;
}

interface Gone {
  readonly program: Program;
  readonly ref: WeakRef<Instance>;
  readonly id: number;
}

const defaultTimeoutMs = 30_000;
const defaultDeadlineMs = { apply: 60_000, revert: Number.POSITIVE_INFINITY } as const;
const defaultRetryMs = 1000;

/** @public Applies patches to the programs of this thread, reverts them and reports. */
export class Patcher implements Operations {
  readonly #programs = new Map<string, Program>();
  readonly #transitions = new Map<Program, Transition>();
  readonly #events = new Events();
  readonly #counters = new Counters(this.#events);
  readonly #scheduler = new Scheduler((deadline) => this.#advance(deadline, true));
  readonly #handles = new WeakMap<WebAssembly.Instance, Instance>();
  readonly #gone = new FinalizationRegistry<Gone>((gone) => this.#bury(gone));
  readonly #emit = (event: PatcherEvent): void => this.#events.emit(event);
  #nextInstance = 1;

  constructor() {
    trackSuspensions(); // before the host makes its promising functions
  }

  /**
   * Takes in an instance of a prepared module: from now on it can be patched, and it has all patches of its program already.
   * Its `exports` no longer show the reserved names. `imports` are what it was instantiated with.
   * @throws WGRAFT_ERR_NOT_PREPARED; WGRAFT_ERR_STAGE_FAILED, WGRAFT_ERR_PATCH_REFUSED where a patch of its program cannot be
   *   put on it
   */
  adopt(
    instance: WebAssembly.Instance,
    module: WebAssembly.Module,
    imports: WebAssembly.Imports = {},
    options: AdoptOptions = {},
  ): InstanceHandle {
    const known = this.#handles.get(instance);
    if (known !== undefined) return handleOf(known);
    const program = this.#programOf(module, options.name);
    let added: Instance | undefined;
    try {
      added = program.add(instance, imports, this.#nextInstance++, options.wake);
      beBorn(added, this.#transitions.get(program), this.#emit);
    } catch (cause) {
      if (added !== undefined) {
        program.remove(added.ref);
        this.#transitions.get(program)?.leave(added); // one that a callback began
      }
      this.#forgetUnused(program);
      throw cause;
    }
    // The instance keeps its Instance alive and nothing else does: a program's instances can be collected.
    this.#handles.set(instance, added);
    this.#gone.register(instance, { program, ref: added.ref, id: added.id }, added);
    this.#events.emit({ type: 'instance', program: program.name, instance: added.id, change: 'born' });
    return handleOf(added);
  }

  /**
   * Takes an instance out of the patcher's hands: its patches come off, their unpatch callbacks run, and nothing is put on it
   * any more. Instances that are just dropped need no release, but get no callbacks.
   * @throws WGRAFT_ERR_INSTANCE_ACTIVE while anything of it runs
   */
  release(instance: WebAssembly.Instance): void {
    const known = this.#handles.get(instance);
    if (known === undefined) return;
    const { program } = known;
    leave(known, this.#transitions.get(program), this.#emit);
    this.#transitions.get(program)?.leave(known); // one that a callback began
    this.#handles.delete(instance);
    this.#gone.unregister(known);
    this.#bury({ program, ref: known.ref, id: known.id });
  }

  /**
   * The instance's program says that it may be switched now (Kitsune's update point): transitions with the model `safe-point`
   * switch it, whatever it runs; others look at it. `instantiate` calls this for the import `env.wgraft_safe_point`.
   * @param nameAt address of the point's name in the program's memory, a C string.
   */
  safePoint(instance: WebAssembly.Instance, nameAt = 0): void {
    const known = this.#handles.get(instance);
    if (known === undefined || this.#transitions.size === 0) return;
    known.safePoint = known.textAt(nameAt);
    this.#transitions.get(known.program)?.visit(known);
    this.pump();
    known.safePoint = undefined;
  }

  /** As `pump`, called by a guard of the instance, before the body of its function has begun. Never throws. */
  atEntry(instance: WebAssembly.Instance): void {
    const known = this.#handles.get(instance);
    if (known !== undefined) known.isAtEntry = true;
    this.pump();
    if (known !== undefined) known.isAtEntry = false;
  }

  /** A program, by its build id. One without instances and patches is forgotten. */
  program(buildId: string): Program | undefined {
    return this.#programs.get(buildId);
  }

  /**
   * Takes in a program before its first instance here, with what it has in other threads: its instances are born with that.
   * @throws WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_NOT_A_PATCH
   */
  introduce(module: WebAssembly.Module, name?: string, heritage?: Heritage): Program {
    const known = this.#programs.get(programId(module));
    if (known !== undefined) return known;
    const program = this.#programOf(module, heritage?.name ?? name);
    if (heritage === undefined) return program;
    program.universe = heritage.universe;
    program.forced = heritage.forced;
    program.places.merge(heritage.places);
    program.stack = heritage.patches.map((bytes) => ({ patch: loadPatch(bytes), state: 'applied' }));
    return program;
  }

  #programOf(module: WebAssembly.Module, name: string | undefined): Program {
    const id = programId(module);
    const program = this.#programs.get(id) ?? new Program(name ?? `wasm-${id.slice(0, 8)}`, id, module);
    this.#programs.set(id, program);
    return program;
  }

  /** A host that loads module after module must not keep all of them; one with patches is kept for instances to come. */
  #bury({ program, ref, id }: Gone): void {
    program.remove(ref);
    this.#events.emit({ type: 'instance', program: program.name, instance: id, change: 'gone' });
    this.#forgetUnused(program);
  }

  #forgetUnused(program: Program): void {
    const used =
      program.isKept || program.hasInstances || program.stack.length > 0 || this.#transitions.has(program);
    if (!used) this.#programs.delete(program.buildId);
  }

  #forgetTransition({ program }: Transition): void {
    this.#transitions.delete(program);
    this.#forgetUnused(program);
  }

  /** Loads a patch and finds the program it is for. @throws what `verify` throws */
  #match(bytes: Uint8Array): { program: Program; patch: LoadedPatch } {
    const patch = loadPatch(bytes);
    const program = this.#programs.get(patch.manifest.target.buildId);
    if (program === undefined) {
      throw otherBuild(patch, [...this.#programs.values()]);
    }
    matchPatch(patch, program.map);
    return { program, patch };
  }

  /**
   * Begins to apply a patch and returns; `pump` and the event loop carry it on. While the same patch is being reverted, this
   * reverses the transition.
   * @throws WGRAFT_ERR_NOT_A_PATCH, WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_WASM_INVALID, WGRAFT_ERR_BUILD_ID_MISMATCH,
   *   WGRAFT_ERR_FUNCTION_MISMATCH, WGRAFT_ERR_PATCH_APPLIED, WGRAFT_ERR_TRANSITION_RUNS, WGRAFT_ERR_STATE_INCOMPATIBLE,
   *   WGRAFT_ERR_MODEL_UNSUPPORTED, WGRAFT_ERR_ORIGINAL_PATCHED
   */
  beginApply(bytes: Uint8Array, options: TransitionOptions = {}, coordination?: Coordination): Transition {
    const { program, patch } = this.#match(bytes);
    const running = this.#transitions.get(program);
    if (running?.record.patch.id === patch.id && running.direction === 'revert')
      return this.#reverse(running);
    this.#refuseSecond(program);
    if (program.stack.some((r) => r.patch.id === patch.id)) {
      throw new WgraftError('WGRAFT_ERR_PATCH_APPLIED', { patch: patch.manifest.name });
    }
    refuseIncompatible(program, patch);
    refuseHiding(program, patch);
    return this.#begin(program, { patch, state: 'applying' }, 'apply', { options, coordination });
  }

  /**
   * Begins to revert a patch (by id or name; undefined: the topmost), or reverses the transition that still applies it.
   * @throws WGRAFT_ERR_PATCH_UNKNOWN, WGRAFT_ERR_TRANSITION_RUNS, WGRAFT_ERR_MODEL_UNSUPPORTED
   */
  beginRevert(wanted?: string, options: TransitionOptions = {}, coordination?: Coordination): Transition {
    const found = this.#find(wanted);
    const running = this.#transitions.get(found.program);
    if (running !== undefined && running.record === found.record && running.direction === 'apply')
      return this.#reverse(running);
    this.#refuseSecond(found.program);
    return this.#begin(found.program, found.record, 'revert', { options, coordination });
  }

  /**
   * Completes the transition that runs whatever its instances run, and marks its program for good. Old and new code may meet.
   * @throws WGRAFT_ERR_NO_TRANSITION
   */
  beginForce(): Transition {
    const [running] = this.#transitions.values();
    if (running === undefined) throw new WgraftError('WGRAFT_ERR_NO_TRANSITION', {});
    running.force();
    this.#scheduler.start();
    return running;
  }

  #reverse(running: Transition): Transition {
    running.reverse();
    if (running.over) this.#forgetTransition(running);
    this.#scheduler.start();
    return running;
  }

  #find(wanted: string | undefined): { program: Program; record: PatchRecord } {
    const all = [...this.#programs.values()].flatMap((program) =>
      program.stack.map((record) => ({ program, record })),
    );
    const fits = ({ record: { patch } }: (typeof all)[number]): boolean =>
      wanted === undefined ||
      patch.manifest.name === wanted ||
      (wanted.length >= 8 && patch.id.startsWith(wanted));
    const found = all.findLast(fits);
    if (found === undefined) {
      const applied = all.map((a) => a.record.patch.manifest.name);
      throw new WgraftError(
        'WGRAFT_ERR_PATCH_UNKNOWN',
        wanted === undefined ? { applied } : { patch: wanted, applied },
      );
    }
    return found;
  }

  #refuseSecond(program: Program): void {
    const running = this.#transitions.get(program);
    if (running === undefined) return;
    const details = { program: program.name, patch: running.record.patch.manifest.name };
    throw new WgraftError('WGRAFT_ERR_TRANSITION_RUNS', details);
  }

  #begin(
    program: Program,
    record: PatchRecord,
    direction: 'apply' | 'revert',
    how: { options: TransitionOptions; coordination: Coordination | undefined },
  ): Transition {
    const { model, deadlineMs, retryMs = defaultRetryMs } = how.options;
    const settings = {
      model: model ?? record.patch.manifest.model ?? defaultModel,
      deadlineMs: (deadlineMs ?? defaultDeadlineMs[direction]) || Number.POSITIVE_INFINITY,
      retryMs,
    };
    refuseUntrusted(program, record.patch, settings.model);
    const transition = new Transition(program, record, direction, {
      settings,
      emit: this.#emit,
      coordination: how.coordination,
    });
    this.#transitions.set(program, transition);
    this.#scheduler.start();
    return transition;
  }

  /** Works on all transitions until the deadline. Never throws. */
  #advance(deadline: number, fresh: boolean): 'more' | 'waiting' | 'idle' {
    let more = false;
    for (const transition of this.#transitions.values()) {
      more = transition.advance(deadline, fresh) || more;
      if (transition.over) this.#forgetTransition(transition);
    }
    if (more) return 'more';
    return this.#transitions.size > 0 ? 'waiting' : 'idle';
  }

  /**
   * A migration point: works on transitions now, synchronously, wherever the caller is; a host import may call it.
   * Instances with active changed functions are left for later. Never throws.
   * @param budgetMs how long it may take, ms.
   */
  pump(budgetMs = 2): void {
    if (this.#transitions.size > 0) this.#advance(performance.now() + budgetMs, false);
  }

  async verify(bytes: Uint8Array): Promise<VerifyReport> {
    const { program, patch } = this.#match(bytes);
    return {
      program: program.name,
      patch: describePatch(patch),
      applied: program.stack.some((r) => r.patch.id === patch.id),
    };
  }

  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.wait(this.beginApply(bytes, options), 'apply', options);
  }

  async revert(patch?: string, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.wait(this.beginRevert(patch, options), 'revert', options);
  }

  async force(options: TransitionOptions = {}): Promise<TransitionResult> {
    const transition = this.beginForce();
    return this.wait(transition, transition.takesOff ? 'revert' : 'apply', options);
  }

  /**
   * Waits, as `options` say, for a transition that was begun in `direction`.
   * @throws WGRAFT_ERR_TRANSITION_STALLED, and the transition's `failure`
   */
  async wait(
    transition: Transition,
    direction: 'apply' | 'revert',
    { wait = true, timeoutMs = defaultTimeoutMs }: TransitionOptions,
  ): Promise<TransitionResult> {
    if (wait) {
      let timer: NodeJS.Timeout | undefined;
      const stalled = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(stalledError(transition)), timeoutMs);
      });
      await Promise.race([transition.finished, stalled]).finally(() => clearTimeout(timer));
    }
    return describeTransition(transition, direction);
  }

  async status(): Promise<Status> {
    return this.statusNow();
  }

  /** `status`, at once. */
  statusNow(): Status {
    const programs = [...this.#programs.values()];
    return { pid: process.pid, programs: programs.map((p) => describeProgram(p, this.#transitions.get(p))) };
  }

  async blocking(): Promise<readonly Blocking[]> {
    return this.blockingNow();
  }

  /** Counters since this patcher was made, and how much there is of everything now; for metrics. */
  stats(): Stats {
    return this.#counters.stats(this.statusNow());
  }

  /** `blocking`, at once. */
  blockingNow(): readonly Blocking[] {
    return [...this.#transitions.values()].flatMap(describeBlocking);
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }
}
