// The transition: from the moment a patch is begun until the last instance follows it.
//
//   staging --all staged--> committing --all committed--> complete
//      |                        |
//      | an instance cannot     | reverse(): the other direction, over the instances already done
//      v                        v
//   cancelled                committing (direction flipped)
//
// apply:  staging makes the patch ready in every instance; nothing can be seen of it. Commit switches one instance after
//         another, each in one turn, each only while none of its changed functions is active.
// revert: nothing to stage; the same commits, towards the stack without the patch.
// An instance that is born during staging joins it; one born later is born in the new universe (Patcher.adopt).

import type { SlotIndex } from '../wasm/index.ts';
import type { Instance } from './instance.ts';
import type { PatcherEvent } from './operations.ts';
import type { PatchRecord, Program } from './program.ts';

type Direction = 'apply' | 'revert';

export type TransitionState = 'staging' | 'committing' | 'complete' | 'cancelled';

export class Transition {
  readonly program: Program;
  readonly record: PatchRecord;
  readonly startedAt: number = performance.now();
  universe: { readonly from: number; readonly to: number };
  /** Settles when the transition is complete or cancelled. */
  readonly finished: Promise<void>;
  direction: Direction;
  state: TransitionState;
  /** Why it was cancelled, where that was not asked for: for those who cannot wait for `finished`. */
  failure: unknown;

  readonly #slots: ReadonlySet<SlotIndex>;
  readonly #emit: (event: PatcherEvent) => void;
  #settle: { resolve: () => void; reject: (cause: unknown) => void } = { resolve() {}, reject() {} };
  #todo: Set<WeakRef<Instance>>;
  #done = new Set<WeakRef<Instance>>();

  constructor(
    program: Program,
    record: PatchRecord,
    direction: Direction,
    emit: (event: PatcherEvent) => void,
  ) {
    this.program = program;
    this.record = record;
    this.direction = direction;
    this.state = direction === 'apply' ? 'staging' : 'committing';
    this.universe = nextUniverse(program);
    record.state = direction === 'apply' ? 'applying' : 'reverting';
    this.#slots = new Set(record.patch.bySlot.keys());
    this.#todo = new Set(program.instances.map((i) => new WeakRef(i)));
    this.#emit = emit;
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.finished.catch(() => {}); // whoever waits sees it; nobody has to wait
    this.#step('initializing');
    if (direction === 'revert') this.#step('starting');
  }

  get over(): boolean {
    return this.state === 'complete' || this.state === 'cancelled';
  }

  get progress(): { done: number; total: number } {
    const todo = live(this.#todo).length;
    const done = live(this.#done).length;
    return { done: this.state === 'staging' ? 0 : done, total: todo + done };
  }

  /** The instances that have not switched yet. */
  get pending(): Instance[] {
    return live(this.state === 'staging' ? [...this.#todo, ...this.#done] : this.#todo);
  }

  /**
   * Takes in an instance that is born now. While the others are being staged it is one of them; later it is born in the
   * new universe, and only a reversal concerns it.
   */
  join(instance: Instance): void {
    (this.state === 'staging' ? this.#todo : this.#done).add(new WeakRef(instance));
  }

  /**
   * Works until everything is done, nothing more can be done now, or `deadline` (performance.now()) has passed.
   * @param fresh called from a fresh turn of the event loop.
   * @returns true where there is work left that could go on at once.
   */
  advance(deadline: number, fresh: boolean): boolean {
    if (this.state === 'staging') {
      const more = this.#pass(deadline, (instance) => this.#stage(instance));
      if (this.over) return false;
      if (this.#todo.size > 0) return more;
      this.state = 'committing';
      this.#todo = this.#done;
      this.#done = new Set();
      this.#step('starting');
    }
    if (this.state !== 'committing') return false;
    const more = this.#pass(deadline, (instance) => this.#commit(instance, fresh));
    if (this.#todo.size === 0) this.#complete();
    return more;
  }

  /** Turns it round; the instances that have switched switch back. One that still stages is cancelled. */
  reverse(): void {
    if (this.over) return;
    this.#step('reversing');
    if (this.state === 'staging') {
      this.#cancel();
      return;
    }
    this.universe = nextUniverse(this.program);
    this.direction = this.direction === 'apply' ? 'revert' : 'apply';
    this.record.state = this.direction === 'apply' ? 'applying' : 'reverting';
    [this.#todo, this.#done] = [this.#done, this.#todo];
    for (const instance of live(this.#done)) instance.waiting = undefined;
    if (this.#todo.size === 0) this.#complete();
  }

  #pass(deadline: number, work: (instance: Instance) => boolean): boolean {
    // Those that must wait go to the end of the line, so that a short budget reaches everyone in the end.
    for (let left = this.#todo.size; left > 0; left -= 1) {
      const [ref] = this.#todo;
      const instance = ref?.deref();
      if (ref !== undefined) this.#todo.delete(ref);
      if (ref !== undefined && instance !== undefined) (work(instance) ? this.#done : this.#todo).add(ref);
      if (this.over) return false;
      if (performance.now() >= deadline) return left > 1;
    }
    return false;
  }

  #stage(instance: Instance): boolean {
    const { patch } = this.record;
    const allocator = patch.manifest.memory?.allocator;
    if (allocator?.kind === 'function' && instance.isAllocating(allocator.index)) {
      const activity = { functions: [instance.program.nameOf(allocator.index)], stack: [] };
      instance.waiting = { activity, since: instance.waiting?.since ?? performance.now() };
      return false;
    }
    try {
      instance.stage(patch);
      instance.waiting = undefined;
      return true;
    } catch (cause) {
      this.#cancel(cause);
      return false;
    }
  }

  #commit(instance: Instance, fresh: boolean): boolean {
    const activity = instance.activity(this.#slots, this.record.patch, fresh);
    if (activity !== undefined) {
      instance.waiting = { activity, since: instance.waiting?.since ?? performance.now() };
      return false;
    }
    instance.commit(this.#slots, this.program.effective, this.universe.to);
    const { name } = this.program;
    this.#emit({ type: 'migrated', program: name, instance: instance.id, universe: this.universe.to });
    return true;
  }

  #complete(): void {
    this.#step('completing');
    this.state = 'complete';
    if (this.direction === 'apply') this.record.state = 'applied';
    else this.#forget(live(this.#done));
    this.#step('complete');
    this.#settle.resolve();
  }

  /** Before the first commit: nothing was switched, so nothing is left but to take the record off. */
  #cancel(cause?: unknown): void {
    this.state = 'cancelled';
    this.failure = cause;
    this.#forget(live(this.#done));
    this.#step('cancelled');
    if (cause === undefined) this.#settle.resolve();
    else this.#settle.reject(cause);
  }

  #forget(instances: readonly Instance[]): void {
    this.program.stack = this.program.stack.filter((r) => r !== this.record);
    for (const instance of instances) instance.unstage(this.record.patch);
  }

  #step(step: Extract<PatcherEvent, { type: 'transition' }>['step']): void {
    const { name } = this.program;
    this.#emit({
      type: 'transition',
      program: name,
      patch: this.record.patch.manifest.name,
      direction: this.direction,
      step,
    });
  }
}

function nextUniverse(program: Program): { from: number; to: number } {
  program.universe += 1;
  return { from: program.universe - 1, to: program.universe };
}

function live(refs: Iterable<WeakRef<Instance>>): Instance[] {
  return [...refs].flatMap((ref) => ref.deref() ?? []);
}
