// What transitions promise, in plain data: nothing of src/runtime is used here, and no order is prescribed where none is
// promised. The model is told what is asked for and what is active; every event of the real patcher must be a legal move of it.
//
//   view      the patches that an instance follows, bottom first: what its functions answer
//   eligible  may this instance switch now? Decided by the rule of the consistency model and by the activations alone

import type { ConsistencyModel } from '../../../src/patch/index.ts';
import type { PatcherEvent } from '../../../src/runtime/index.ts';
import type { Activation, FunctionName } from './activation.ts';

export interface PatchFacts {
  readonly name: string;
  /** What its functions answer; those of the program answer 0. */
  readonly version: number;
  readonly functions: readonly FunctionName[];
  readonly cumulative: boolean;
}

type View = readonly PatchFacts[];

interface ModelRecord {
  readonly patch: PatchFacts;
  state: 'applying' | 'applied' | 'reverting';
}

interface ModelTransition {
  readonly record: ModelRecord;
  readonly model: ConsistencyModel;
  readonly changed: ReadonlySet<FunctionName>;
  readonly replaced: readonly ModelRecord[];
  direction: 'apply' | 'revert';
  phase: 'begun' | 'preparing' | 'committing' | 'finishing' | 'cancelling';
  old: View;
  next: View;
  switched: Set<number>;
  forced: boolean;
  /** An event that was asked for and must come. */
  due: 'reversing' | 'forced' | undefined;
  gaveUp: boolean;
}

export type Answer = 'begun' | 'reversed' | `WGRAFT_ERR_${string}`;

const atOnce: readonly ConsistencyModel[] = ['stop-machine', 'checkpoint'];
const leavesAll: readonly ConsistencyModel[] = ['leave-kernel', 'checkpoint'];

export class Model {
  readonly views = new Map<number, View>();
  /** Nobody holds them; they may be gone any time. */
  readonly dropped = new Set<number>();
  readonly activations = new Set<Activation>();
  stack: ModelRecord[] = [];
  transition: ModelTransition | undefined;
  forced = false;
  /** The instance that is at a safe point now. */
  safePointOf: number | undefined;
  /** Transitions that ran to their end, by what they did: a test without them would show nothing. */
  readonly tally = { complete: 0, cancelled: 0, reversed: 0, forced: 0, waited: 0, gaveUp: 0 };

  /** What a function of an instance answers. */
  version(instance: number, name: FunctionName): number {
    return this.views.get(instance)?.findLast((p) => p.functions.includes(name))?.version ?? 0;
  }

  apply(patch: PatchFacts, model: ConsistencyModel): Answer {
    const running = this.transition;
    if (running?.record.patch === patch && running.direction === 'revert') return this.#askReversal(running);
    if (running !== undefined) return 'WGRAFT_ERR_TRANSITION_RUNS';
    if (!this.#isKnown) return 'WGRAFT_ERR_BUILD_ID_MISMATCH';
    if (this.stack.some((r) => r.patch === patch)) return 'WGRAFT_ERR_PATCH_APPLIED';
    const old = this.effective;
    const record: ModelRecord = { patch, state: 'applying' };
    this.stack.push(record);
    const replaced = patch.cumulative ? this.stack.filter((r) => r !== record) : [];
    return this.#begin({ record, model, direction: 'apply', old, replaced });
  }

  revert(name: string | undefined, model: ConsistencyModel): Answer {
    const record = this.stack.findLast((r) => name === undefined || r.patch.name === name);
    if (record === undefined) return 'WGRAFT_ERR_PATCH_UNKNOWN';
    const running = this.transition;
    if (running?.record === record && running.direction === 'apply') return this.#askReversal(running);
    if (running !== undefined) return 'WGRAFT_ERR_TRANSITION_RUNS';
    const old = this.effective;
    record.state = 'reverting';
    return this.#begin({ record, model, direction: 'revert', old, replaced: [] });
  }

  force(): Answer {
    if (this.transition === undefined) return 'WGRAFT_ERR_NO_TRANSITION';
    if (!this.transition.forced) this.transition.due = 'forced';
    return 'begun';
  }

  isActive(instance: number): boolean {
    return this.framesOf(instance).length > 0;
  }

  framesOf(instance: number): string[] {
    return [...this.activations].flatMap((a) => (a.instance === instance ? a.frames : []));
  }

  /** May this instance switch now, as far as it alone is concerned? */
  isEligible(instance: number): boolean {
    const t = this.transition;
    if (t === undefined) return false;
    if (t.forced || t.model === 'immediate') return true;
    if (t.model === 'safe-point') return this.safePointOf === instance;
    const frames = this.framesOf(instance);
    return leavesAll.includes(t.model)
      ? frames.length === 0
      : !frames.some((f) => t.changed.has(f as FunctionName));
  }

  /** Those that the transition still has to switch. */
  get pending(): number[] {
    return [...this.views.keys()].filter((id) => this.transition?.switched.has(id) !== true);
  }

  get switchesAtOnce(): boolean {
    return this.transition !== undefined && !this.transition.forced && atOnce.includes(this.transition.model);
  }

  /** What is on when nothing is under way. */
  get effective(): View {
    const on = this.stack.filter((r) => r.state !== 'reverting').map((r) => r.patch);
    return on.slice(
      Math.max(
        on.findLastIndex((p) => p.cumulative),
        0,
      ),
    );
  }

  /** Takes in an event. @throws where it is no legal move */
  see(event: PatcherEvent): void {
    if (event.type === 'instance')
      return event.change === 'born' ? this.#born(event.instance) : this.#gone(event.instance);
    const t = this.transition;
    must(t !== undefined, event, 'no transition runs');
    if (event.type === 'migrated') return this.#switch(event, t);
    must(event.type === 'transition', event, 'no patch has callbacks');
    must(event.patch === t.record.patch.name, event, 'another patch');
    this.#step(event, t);
  }

  #step(event: Extract<PatcherEvent, { type: 'transition' }>, t: ModelTransition): void {
    switch (event.step) {
      case 'initializing':
        must(t.phase === 'begun', event, 'it is under way');
        t.phase = 'preparing';
        return;
      case 'starting':
        must(t.phase === 'preparing', event, `it is ${t.phase}`);
        t.phase = 'committing';
        return;
      case 'completing':
        must(t.phase === 'committing' && this.#pendingHeld.length === 0, event, 'not all have switched');
        t.phase = 'finishing';
        return;
      case 'complete':
        must(t.phase === 'finishing', event, `it is ${t.phase}`);
        this.tally.complete += 1;
        return this.#end(t, t.direction === 'revert' ? [t.record] : t.replaced);
      case 'cancelled':
        must(t.phase === 'cancelling', event, `it is ${t.phase}`);
        this.tally.cancelled += 1;
        return this.#end(t, [t.record]);
      case 'reversing':
        return this.#reverse(event, t);
      case 'forced':
        must(t.due === 'forced', event, 'nobody asked for it');
        t.due = undefined;
        t.forced = true;
        this.forced = true;
        this.tally.forced += 1;
        return;
      default:
        must(false, event, 'nothing sleeps or expires here');
    }
  }

  #switch(event: Extract<PatcherEvent, { type: 'migrated' }>, t: ModelTransition): void {
    const { instance } = event;
    must(t.phase === 'committing', event, `it is ${t.phase}`);
    must(this.pending.includes(instance), event, 'it has switched already');
    must(this.isEligible(instance), event, `it runs ${this.framesOf(instance)}`);
    if (this.switchesAtOnce)
      must(
        this.#pendingHeld.every((id) => this.isEligible(id)),
        event,
        'others are in the way',
      );
    this.views.set(instance, t.next);
    t.switched.add(instance);
    if (t.forced || t.model === 'immediate' || t.model === 'safe-point')
      for (const a of this.activations) if (a.instance === instance) a.mayMix = true;
  }

  #reverse(event: PatcherEvent, t: ModelTransition): void {
    if (t.due === 'reversing') {
      t.gaveUp = false;
      this.tally.reversed += 1;
    } else {
      const conflicts = this.#pendingHeld.some((id) => !this.isEligible(id));
      must(this.switchesAtOnce && t.phase === 'committing' && conflicts, event, 'nobody asked for it');
      must(!t.gaveUp, event, 'it has given up before');
      t.gaveUp = true;
      this.tally.gaveUp += 1;
    }
    t.due = undefined;
    if (t.phase === 'preparing' && t.direction === 'apply') {
      t.phase = 'cancelling';
      t.record.state = 'reverting';
      return;
    }
    t.direction = t.direction === 'apply' ? 'revert' : 'apply';
    t.record.state = t.direction === 'apply' ? 'applying' : 'reverting';
    [t.old, t.next] = [t.next, t.old];
    if (t.phase === 'committing') t.switched = new Set(this.pending);
    else t.phase = 'finishing'; // a revert that has not begun to switch
  }

  #begin(of: Pick<ModelTransition, 'record' | 'model' | 'direction' | 'old' | 'replaced'>): Answer {
    const changed = new Set([of.record, ...of.replaced].flatMap((r) => r.patch.functions));
    const state = { phase: 'begun', forced: false, due: undefined, gaveUp: false } as const;
    this.transition = { ...of, ...state, changed, next: this.effective, switched: new Set() };
    return 'begun';
  }

  #askReversal(t: ModelTransition): Answer {
    t.due = 'reversing';
    return 'reversed';
  }

  #end(t: ModelTransition, off: readonly ModelRecord[]): void {
    if (t.direction === 'apply' && t.phase === 'finishing') t.record.state = 'applied';
    this.stack = this.stack.filter((r) => !off.includes(r));
    this.transition = undefined;
    this.forced &&= this.#isKnown;
  }

  #born(instance: number): void {
    const t = this.transition;
    if (t === undefined) return void this.views.set(instance, this.effective);
    const isOld = t.phase === 'begun' || t.phase === 'preparing';
    this.views.set(instance, isOld ? t.old : t.next);
    if (!isOld) t.switched.add(instance);
  }

  #gone(instance: number): void {
    this.views.delete(instance);
    this.dropped.delete(instance);
    // The last one takes its program along.
    if (this.views.size === 0 && this.stack.length === 0 && this.transition === undefined)
      this.forced = false;
  }

  /** The last instance takes its program along, unless that has patches. */
  get #isKnown(): boolean {
    return this.views.size > 0 || this.stack.length > 0 || this.transition !== undefined;
  }

  get #pendingHeld(): number[] {
    return this.pending.filter((id) => !this.dropped.has(id));
  }
}

function must(holds: boolean, event: PatcherEvent, why: string): asserts holds {
  if (!holds) throw new Error(`${JSON.stringify(event)}: ${why}`);
}
