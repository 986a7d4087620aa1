// The transition: from the moment a patch is begun until the last instance follows it.
//
//            preparing ------------> committing ------------> finishing -----> complete
//   apply    stage, pre_patch        slot words, one          post_patch
//   revert   pre_unpatch             instance after another   post_unpatch
//
//   from       reverse() leads to
//   ---------  --------------------------------------------------------------------------------------------
//   preparing  apply: post_unpatch where pre_patch ran, then cancelled. revert: post_patch again, then complete
//   committing the other direction, over the instances already done; no pre_unpatch, since no post_patch ran
//   finishing  the other direction, from its beginning
//
// Nothing can be seen of a patch before the first commit. A commit switches one instance in one turn, when the consistency
// model lets it; a model that switches the whole kernel commits all of them in one turn, or tries again later.
// Cumulative patches hide the patches below them (`Program.effective`), which go when the transition is complete.

import { WgraftError } from '../errors.ts';
import type { ConsistencyModel } from '../patch/index.ts';
import { Alarm } from './alarm.ts';
import { type CallbackName, callbackEvent } from './callbacks.ts';
import { type Change, changeOf } from './change.ts';
import { type Rule, ruleOf } from './consistency.ts';
import type { Activity, Instance } from './instance.ts';
import { Line } from './line.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { PatcherEvent } from './operations.ts';
import type { PatchRecord, Program } from './program.ts';
import type { Coordination, Overview, Surroundings, TransitionSettings } from './transition-settings.ts';

type Direction = 'apply' | 'revert';

export type TransitionState = 'preparing' | 'committing' | 'finishing' | 'complete' | 'cancelled';

/** Ksplice's: it stops the machine five times, and then says who was in the way. */
const attemptLimit = 5;

export class Transition {
  readonly program: Program;
  readonly record: PatchRecord;
  readonly model: ConsistencyModel;
  readonly startedAt: number = performance.now();
  universe: { readonly from: number; readonly to: number };
  /** Settles when the transition is complete or cancelled; rejects with `failure`. */
  readonly finished: Promise<void>;
  direction: Direction;
  state: TransitionState = 'preparing';
  /** Why it was cancelled or reversed, where that was not asked for: for those who cannot wait for `finished`. */
  failure: unknown;

  readonly #settings: TransitionSettings;
  readonly #rule: Rule;
  readonly #change: Change;
  /** The patches that a cumulative one takes the place of. */
  readonly #replaced: readonly PatchRecord[];
  readonly #coordination: Coordination | undefined;
  readonly #emit: (event: PatcherEvent) => void;
  #settle: { resolve: () => void; reject: (cause: unknown) => void } = { resolve() {}, reject() {} };
  readonly #line: Line;
  readonly #alarm = new Alarm();
  /** What an instance follows that has not switched, and one that has. */
  #stacks: { readonly old: readonly LoadedPatch[]; readonly new: readonly LoadedPatch[] };
  #isToTurn = false;
  #cancelled = false;
  #forced = false;
  #expired = false;
  #attempts = 0;
  #nextAttempt = 0;

  constructor(
    program: Program,
    record: PatchRecord,
    direction: Direction,
    { settings, emit, coordination }: Surroundings,
  ) {
    this.program = program;
    this.record = record;
    this.direction = direction;
    this.model = settings.model;
    this.universe = program.nextUniverse(coordination?.universe);
    this.#settings = settings;
    this.#rule = ruleOf(settings.model);
    this.#emit = emit;
    this.#coordination = coordination;
    const old = program.effective;
    if (direction === 'apply') program.stack.push(record);
    record.state = direction === 'apply' ? 'applying' : 'reverting';
    this.#stacks = { old, new: program.effective };
    this.#replaced =
      direction === 'apply' && record.patch.manifest.cumulative === true
        ? program.stack.filter((r) => r !== record)
        : [];
    this.#change = changeOf([record, ...this.#replaced].map((r) => r.patch));
    this.#line = new Line(program.instances);
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.finished.catch(() => {}); // whoever waits sees it; nobody has to wait
    this.#step('initializing');
  }

  get over(): boolean {
    return this.state === 'complete' || this.state === 'cancelled';
  }

  /** It takes the patch off, or undoes what was done to put it on. */
  get takesOff(): boolean {
    return this.#cancelled || this.direction === 'revert';
  }

  get overview(): Overview {
    const total = this.#line.all.length;
    const done = this.over && !this.#cancelled ? total : total - this.pending.length;
    const functions = [...new Set(this.blocking.flatMap((i) => i.waiting?.activity.functions ?? []))];
    return this.#coordination?.overview?.() ?? { done, total, functions, ...this.#rule.unmet };
  }

  /** The instances that have not switched yet. */
  get pending(): Instance[] {
    if (this.state === 'preparing' || this.#cancelled) return this.#line.all;
    return this.state === 'committing' ? this.#line.inLine : [];
  }

  /** The instances that keep it from going on, with `waiting` set. */
  get blocking(): Instance[] {
    return this.#line.waiting;
  }

  /** What an instance that is born now follows from its birth. */
  get birth(): { readonly patches: readonly LoadedPatch[]; readonly universe: number } {
    const { old, new: next } = this.#stacks;
    const { from, to } = this.universe;
    return this.state === 'preparing' ? { patches: old, universe: from } : { patches: next, universe: to };
  }

  /** The patch that it stages itself in instances that are born now. */
  get staging(): LoadedPatch | undefined {
    return this.state === 'preparing' && this.direction === 'apply' ? this.record.patch : undefined;
  }

  /** Takes in an instance that was just born. */
  join(instance: Instance): void {
    this.#line.add(instance, this.state === 'committing' ? 'through' : 'in-line');
  }

  /** An instance is taken away from the patcher. */
  leave(instance: Instance): void {
    this.#line.remove(instance);
  }

  /**
   * Works until everything is done, nothing more can be done now, or `deadline` (performance.now()) has passed.
   * @param fresh called from a fresh turn of the event loop.
   * @returns true where there is work left that could go on at once.
   */
  advance(deadline: number, fresh: boolean): boolean {
    return (
      !this.program.exclusive.isTaken && this.program.exclusive.run(() => this.#advance(deadline, fresh))
    );
  }

  #advance(deadline: number, fresh: boolean): boolean {
    this.#expire();
    while (!this.over) {
      if (this.#isToTurn) this.#turn();
      const more = this.#work(deadline, fresh);
      if (this.#isToTurn) continue;
      if (!this.#line.isEmpty) {
        if (!more) this.#alarm.pass(this.blocking, () => this.#step('signaling'));
        return more;
      }
      if (!this.#next()) return false;
    }
    return false;
  }

  /** Looks at this instance before all others: it is at a safe point now, and may not be when its turn comes. */
  visit(instance: Instance): void {
    const { exclusive } = this.program;
    if (this.state === 'committing' && this.#rule.switch === 'thread' && !exclusive.isTaken)
      exclusive.run(() => this.#line.passOne(instance, (i) => this.#commitOne(i, false)));
  }

  /** Turns it round; the instances that have switched switch back. One that is cancelled already stays so. */
  reverse(): void {
    this.#isToTurn = true;
    if (!this.program.exclusive.isTaken) this.program.exclusive.run(() => this.#turn());
  }

  #turn(): void {
    this.#isToTurn = false;
    if (this.over || this.#cancelled) return;
    this.#step('reversing');
    this.#attempts = 0;
    if (this.state === 'preparing' && this.direction === 'apply') return this.#cancel();
    this.direction = this.direction === 'apply' ? 'revert' : 'apply';
    this.record.state = this.direction === 'apply' ? 'applying' : 'reverting';
    this.#stacks = { old: this.#stacks.new, new: this.#stacks.old };
    if (this.state === 'committing') {
      this.universe = this.program.nextUniverse(this.#coordination?.universe);
      this.#line.turn();
    } else if (this.state === 'preparing') {
      this.state = 'finishing'; // nothing has switched: what pre_unpatch undid is done again
      this.#line.restart();
    } else {
      this.universe = this.program.nextUniverse(this.#coordination?.universe);
      this.state = 'preparing';
      this.#line.restart();
    }
  }

  /** From now on instances switch whatever they run. The program is marked for good. */
  force(): void {
    if (this.over || this.#forced) return;
    this.#forced = true;
    this.program.forced = true;
    this.#step('forced');
  }

  /** Reverses by itself, and says why in the end. */
  giveUp(cause: unknown): void {
    if (this.over || this.failure !== undefined) return;
    this.failure = cause;
    this.reverse();
  }

  /** One look at the instances that are left in this state. */
  #work(deadline: number, fresh: boolean): boolean {
    switch (this.state) {
      case 'preparing':
        return this.direction === 'apply'
          ? this.#line.pass(deadline, (instance) => this.#stage(instance, fresh))
          : this.#callBackAll('preUnpatch', deadline, fresh);
      case 'committing':
        return this.#rule.switch === 'kernel' && !this.#forced
          ? this.#commitAll(fresh)
          : this.#line.pass(deadline, (instance) => this.#commitOne(instance, fresh));
      default:
        return this.#callBackAll(this.takesOff ? 'postUnpatch' : 'postPatch', deadline, fresh);
    }
  }

  /** Goes on to the next state. @returns false where others have to come so far first */
  #next(): boolean {
    if (this.state === 'finishing') {
      if (this.#coordination?.mayEnter('complete') === false) return false;
      this.#end();
      return true;
    }
    const [next, step] =
      this.state === 'preparing'
        ? (['committing', 'starting'] as const)
        : (['finishing', 'completing'] as const);
    if (this.#coordination?.mayEnter(next) === false) return false;
    this.state = next;
    this.#step(step);
    this.#line.restart();
    return true;
  }

  #stage(instance: Instance, fresh: boolean): boolean {
    const { patch } = this.record;
    const unrest = instance.stagingUnrest(patch, this.#change, fresh);
    if (unrest !== undefined) return instance.waitFor(unrest);
    try {
      if (this.#coordination?.stage(instance, patch.id) === false) return false;
      instance.stage(patch);
    } catch (cause) {
      this.#cancel(cause);
      return false;
    }
    instance.waiting = undefined;
    if (!instance.isCallbackDue(patch, 'prePatch')) return true;
    const outcome = this.#callBack(instance, 'prePatch');
    if (outcome === undefined || outcome.kind === 'done') return true;
    const details = { patch: patch.manifest.name, instance: instance.id, reason: outcome.reason };
    this.#cancel(new WgraftError('WGRAFT_ERR_PATCH_REFUSED', details));
    return false;
  }

  #commitOne(instance: Instance, fresh: boolean): boolean {
    const activity = this.#activity(instance, fresh);
    if (activity !== undefined) return instance.waitFor(activity);
    this.#commit([instance]);
    return true;
  }

  /** All instances in one turn, if none of them is in the way of any. */
  #commitAll(fresh: boolean): boolean {
    if (performance.now() < this.#nextAttempt) return false;
    const all = this.#line.inLine;
    const own = all.flatMap((instance) => {
      const activity = this.#activity(instance, fresh);
      if (activity === undefined) return [];
      instance.waitFor(activity);
      return [{ instance: instance.id, functions: activity.functions }];
    });
    const agreed = this.#coordination?.agree(own) ?? (own.length === 0 ? 'switch' : own);
    if (agreed === 'wait') return false;
    if (agreed === 'switch') {
      this.#commit(all);
      this.#line.clear();
      return false;
    }
    this.#attempts += 1;
    this.#nextAttempt = performance.now() + this.#settings.retryMs;
    if (this.#attempts < attemptLimit || this.failure !== undefined) return false; // the way back has no limit
    const names = { program: this.program.name, patch: this.record.patch.manifest.name };
    const details = { ...names, attempts: attemptLimit, conflicts: agreed };
    this.giveUp(new WgraftError('WGRAFT_ERR_TRANSITION_CONFLICTS', details));
    return false;
  }

  #activity(instance: Instance, fresh: boolean): Activity | undefined {
    return this.#forced ? undefined : instance.activity(this.#change, this.#rule, fresh);
  }

  /** Tells of it when all have switched: who hears of one may call the others. */
  #commit(instances: readonly Instance[]): void {
    const { to: universe } = this.universe;
    for (const instance of instances) instance.commit(this.#change.slots, this.#stacks.new, universe);
    for (const { id, safePoint } of instances) {
      const at = safePoint === undefined ? {} : { safePoint };
      this.#emit({ type: 'migrated', program: this.program.name, instance: id, universe, ...at });
    }
  }

  /** Passes over where the patch has no callbacks at all: ten thousand instances need not be looked at for nothing. */
  #callBackAll(name: CallbackName, deadline: number, fresh: boolean): boolean {
    const { patch } = this.record;
    if (patch.manifest.callbacks === undefined) {
      this.#line.clear();
      return false;
    }
    return this.#line.pass(deadline, (instance) => {
      if (!instance.isCallbackDue(patch, name)) return true;
      const isThere = patch.manifest.callbacks?.[name] !== undefined;
      const unrest = isThere && !this.#forced ? instance.unrest(this.#change, fresh) : undefined;
      if (unrest !== undefined) return instance.waitFor(unrest);
      instance.waiting = undefined;
      this.#callBack(instance, name);
      return true;
    });
  }

  #callBack(instance: Instance, name: CallbackName): ReturnType<Instance['callBack']> {
    const outcome = instance.callBack(this.record.patch, name);
    if (outcome !== undefined) this.#emit(callbackEvent(instance, this.record.patch, name, outcome));
    return outcome;
  }

  #expire(): void {
    const { deadlineMs } = this.#settings;
    const waits = this.state === 'preparing' || this.state === 'committing';
    if (!waits || this.#expired || this.#forced || performance.now() < this.startedAt + deadlineMs) return;
    this.#expired = true;
    if (this.#cancelled || this.failure !== undefined) return;
    const names = { program: this.program.name, patch: this.record.patch.manifest.name };
    const details = { ...names, ...this.overview, deadlineMs };
    this.#step('expired');
    this.giveUp(new WgraftError('WGRAFT_ERR_TRANSITION_EXPIRED', details));
  }

  /** Before the first commit: nothing was switched. What pre_patch did is undone, and the record taken off. */
  #cancel(cause?: unknown): void {
    this.failure ??= cause;
    this.#cancelled = true;
    this.record.state = 'reverting';
    this.#stacks = { old: this.#stacks.new, new: this.#stacks.old };
    this.state = 'finishing';
    this.#line.restart();
    if (this.record.patch.manifest.callbacks === undefined && this.#coordination === undefined) this.#end();
  }

  #end(): void {
    if (this.takesOff) this.#forget([this.record]);
    else {
      this.record.state = 'applied';
      this.#forget(this.#replaced);
    }
    this.state = this.#cancelled ? 'cancelled' : 'complete';
    this.#step(this.state);
    if (this.failure === undefined) this.#settle.resolve();
    else this.#settle.reject(this.failure);
  }

  #forget(records: readonly PatchRecord[]): void {
    if (records.length === 0) return;
    this.program.stack = this.program.stack.filter((r) => !records.includes(r));
    for (const { patch } of records) {
      for (const instance of this.#line.all) instance.unstage(patch);
      this.program.places.of(patch.id).hasData = false;
    }
  }

  #step(step: Extract<PatcherEvent, { type: 'transition' }>['step']): void {
    const { name } = this.program;
    const patch = this.record.patch.manifest.name;
    this.#emit({ type: 'transition', program: name, patch, direction: this.direction, step });
  }
}
