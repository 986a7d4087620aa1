// The patcher: all programs of one thread, what is applied to them, and the operations on them. Everything that decides
// is synchronous, so that it can also run at a host call of a program that never returns; the Operations wrap it in promises.

import { WgraftError } from '../errors.ts';
import { Events } from './events.ts';
import type { Instance } from './instance.ts';
import { type LoadedPatch, loadPatch, matchPatch, otherBuild } from './loaded-patch.ts';
import type {
  Blocking,
  Operations,
  PatcherEvent,
  ProgramStatus,
  Status,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from './operations.ts';
import { type PatchRecord, Program, programId } from './program.ts';
import { Scheduler } from './scheduler.ts';
import { Counters, type Stats } from './stats.ts';
import { Transition } from './transition.ts';

export interface AdoptOptions {
  /** What the program is called in `status`; default: `wasm-` and the start of its build id. */
  readonly name?: string;
}

interface Gone {
  readonly program: Program;
  readonly ref: WeakRef<Instance>;
  readonly id: number;
}

const defaultTimeoutMs = 30_000;

/** @public Applies patches to the programs of this thread, reverts them and reports. */
export class Patcher implements Operations {
  readonly #programs = new Map<string, Program>();
  readonly #transitions = new Map<Program, Transition>();
  readonly #events = new Events();
  readonly #counters = new Counters(this.#events);
  readonly #scheduler = new Scheduler((deadline) => this.#advance(deadline, true));
  readonly #handles = new WeakMap<WebAssembly.Instance, Instance>();
  readonly #gone = new FinalizationRegistry<Gone>((gone) => this.#bury(gone));
  #nextInstance = 1;

  /**
   * Takes in an instance of a prepared module: from now on it can be patched, and it has all patches of its program already.
   * Its `exports` no longer show the reserved names. `imports` are what it was instantiated with.
   * @throws WGRAFT_ERR_NOT_PREPARED; WGRAFT_ERR_STAGE_FAILED where a patch of its program cannot be staged in it
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
    const { instance: added, ref } = program.add(instance, imports, this.#nextInstance++);
    try {
      this.#beBorn(program, added);
    } catch (cause) {
      program.remove(ref);
      throw cause;
    }
    // The instance keeps its Instance alive and nothing else does: a program's instances can be collected.
    this.#handles.set(instance, added);
    this.#gone.register(instance, { program, ref, id: added.id });
    this.#events.emit({ type: 'instance', program: program.name, instance: added.id, change: 'born' });
    return handleOf(added);
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
    const used = program.instances.length > 0 || program.stack.length > 0 || this.#transitions.has(program);
    if (!used) this.#programs.delete(program.buildId);
  }

  #beBorn(program: Program, instance: Instance): void {
    const transition = this.#transitions.get(program);
    const staging = transition?.state === 'staging' ? transition.record.patch : undefined;
    const stack = program.effective.filter((patch) => patch !== staging);
    for (const patch of stack) instance.stage(patch);
    const slots = new Set(stack.flatMap((patch) => [...patch.bySlot.keys()]));
    instance.commit(slots, stack, staging === undefined ? program.universe : program.universe - 1);
    transition?.join(instance);
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
   * Begins to apply a patch and returns; `pump` and the event loop carry it on.
   * @throws WGRAFT_ERR_NOT_A_PATCH, WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_WASM_INVALID, WGRAFT_ERR_BUILD_ID_MISMATCH,
   *   WGRAFT_ERR_FUNCTION_MISMATCH, WGRAFT_ERR_PATCH_APPLIED, WGRAFT_ERR_TRANSITION_RUNS
   */
  beginApply(bytes: Uint8Array): Transition {
    const { program, patch } = this.#match(bytes);
    this.#refuseSecond(program);
    if (program.stack.some((r) => r.patch.id === patch.id)) {
      throw new WgraftError('WGRAFT_ERR_PATCH_APPLIED', { patch: patch.manifest.name });
    }
    const record: PatchRecord = { patch, state: 'applying' };
    program.stack.push(record);
    return this.#begin(program, record, 'apply');
  }

  /**
   * Begins to revert a patch (by id or name; undefined: the topmost), or reverses the transition that still applies it.
   * @throws WGRAFT_ERR_PATCH_UNKNOWN, WGRAFT_ERR_TRANSITION_RUNS
   */
  beginRevert(wanted?: string): Transition {
    const found = this.#find(wanted);
    const running = this.#transitions.get(found.program);
    if (running !== undefined && running.record === found.record && running.direction === 'apply') {
      running.reverse();
      if (running.over) this.#transitions.delete(found.program);
      this.#scheduler.start();
      return running;
    }
    this.#refuseSecond(found.program);
    return this.#begin(found.program, found.record, 'revert');
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

  #begin(program: Program, record: PatchRecord, direction: 'apply' | 'revert'): Transition {
    const transition = new Transition(program, record, direction, (event) => this.#events.emit(event));
    this.#transitions.set(program, transition);
    this.#scheduler.start();
    return transition;
  }

  /** Works on all transitions until the deadline. Never throws. */
  #advance(deadline: number, fresh: boolean): 'more' | 'waiting' | 'idle' {
    let more = false;
    for (const [program, transition] of this.#transitions) {
      more = transition.advance(deadline, fresh) || more;
      if (transition.over) this.#transitions.delete(program);
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
      patch: describe(patch),
      applied: program.stack.some((r) => r.patch.id === patch.id),
    };
  }

  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.#wait(this.beginApply(bytes), options);
  }

  async revert(patch?: string, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.#wait(this.beginRevert(patch), options);
  }

  async #wait(
    transition: Transition,
    { wait = true, timeoutMs = defaultTimeoutMs }: TransitionOptions,
  ): Promise<TransitionResult> {
    const { direction } = transition;
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
    return { pid: process.pid, programs: [...this.#programs.values()].map((p) => this.#describeProgram(p)) };
  }

  #describeProgram(program: Program): ProgramStatus {
    const transition = this.#transitions.get(program);
    const pending = new Set(transition?.pending);
    return {
      name: program.name,
      buildId: program.buildId,
      slots: program.map.functions.filter((f) => f.slot !== undefined).length,
      universe: program.universe,
      instances: program.instances.map((i) => ({
        id: i.id,
        state: transition === undefined ? -1 : pending.has(i) ? 0 : 1,
      })),
      patches: program.stack.map((r) => ({
        ...describe(r.patch),
        state: r.state,
        metadata: r.patch.manifest.metadata,
      })),
      transition: transition && {
        patch: transition.record.patch.manifest.name,
        direction: transition.direction,
        runningMs: performance.now() - transition.startedAt,
        instances: transition.progress,
      },
    };
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
    return [...this.#transitions.values()].flatMap((transition) =>
      transition.pending.flatMap((instance): Blocking[] => {
        if (instance.waiting === undefined) return [];
        const { activity, since } = instance.waiting;
        const program = transition.program.name;
        return [{ program, instance: instance.id, blockedMs: performance.now() - since, ...activity }];
      }),
    );
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }
}

/** What the host gets for an adopted instance. */
export interface InstanceHandle {
  readonly id: number;
  /** Name of its program. */
  readonly program: string;
  /** The universe its slots belong to. */
  readonly universe: number;
}

function handleOf(instance: Instance): InstanceHandle {
  return {
    id: instance.id,
    program: instance.program.name,
    get universe() {
      return instance.universe;
    },
  };
}

function describe(patch: LoadedPatch): { id: string; name: string; functions: readonly string[] } {
  return { id: patch.id, name: patch.manifest.name, functions: patch.functionNames };
}

/** The result of a transition as whoever began it in `direction` is told; a reversed one is not complete for him. */
export function describeTransition(transition: Transition, direction: 'apply' | 'revert'): TransitionResult {
  return {
    program: transition.program.name,
    patch: describe(transition.record.patch),
    direction,
    complete: isAsWanted(transition, direction),
    universe: transition.universe,
    instances: transition.progress,
    elapsedMs: performance.now() - transition.startedAt,
  };
}

/** A revert that finds the patch still staging cancels it: the patch is off, as was wanted. */
function isAsWanted({ state, direction }: Transition, wanted: 'apply' | 'revert'): boolean {
  if (state === 'cancelled') return wanted === 'revert';
  return state === 'complete' && direction === wanted;
}

function stalledError(transition: Transition): WgraftError {
  const functions = new Set(transition.pending.flatMap((i) => i.waiting?.activity.functions ?? []));
  const details = {
    program: transition.program.name,
    patch: transition.record.patch.manifest.name,
    ...transition.progress,
    functions: [...functions],
  };
  return new WgraftError('WGRAFT_ERR_TRANSITION_STALLED', details);
}
