// The real thing beside the model: a patcher, instances of the program, and actions that are done to both. What an action
// answers, every event, every answer of an activation and, after each action, all that can be seen must be what the model says.

import { expect } from 'vitest';
import { WgraftError } from '../../../src/errors.ts';
import type { ConsistencyModel } from '../../../src/patch/index.ts';
import { Patcher } from '../../../src/runtime/index.ts';
import { Activation, type Entry, type FunctionName, type Place, pauses, places } from './activation.ts';
import { type Answer, Model, type PatchFacts } from './model.ts';

export interface BuiltFacts extends PatchFacts {
  readonly bytes: Uint8Array;
}

/** `which` chooses among those that there are, whatever their number. */
export type Action =
  | { readonly do: 'create' | 'force' | 'turn' }
  | {
      readonly do: 'drop' | 'release' | 'safePoint' | 'revertTop';
      readonly which: number;
      readonly model: ConsistencyModel;
    }
  | { readonly do: 'apply' | 'revert'; readonly patch: number; readonly model: ConsistencyModel }
  | { readonly do: 'pump'; readonly budgetMs: number }
  | { readonly do: 'resume'; readonly which: number; readonly fails: boolean }
  | CallAction;

export interface CallAction extends Entry {
  readonly do: 'call';
  readonly which: number;
  /** What the host does when it is called. */
  readonly host: readonly Action[];
  /** The host throws after that. */
  readonly fails: boolean;
}

type WasmFunction = (...args: number[]) => number;
type Held = { readonly instance: WebAssembly.Instance; readonly call: (name: string) => WasmFunction };

/** An activation that sleeps, and what wakes it. */
interface Sleeper {
  readonly activation: Activation;
  readonly place: Place;
  readonly wake: (fails: boolean) => void;
}

interface Jspi {
  readonly promising: (f: WasmFunction) => (...args: number[]) => Promise<number>;
  readonly Suspending: new (f: (place: number, id: number) => Promise<void>) => WebAssembly.ImportValue;
}
const jspi = 'promising' in WebAssembly ? (WebAssembly as unknown as Jspi) : undefined;

const planned = new Error('the host fails, as planned');
const settled = { retryMs: 0, deadlineMs: 0 } as const;

export class World {
  readonly model = new Model();
  readonly patcher = new Patcher();
  readonly #module: WebAssembly.Module;
  readonly #patches: readonly BuiltFacts[];
  readonly #held = new Map<number, Held>();
  readonly #calls = new Map<number, { activation: Activation; action: CallAction; hostRan: boolean }>();
  readonly #sleepers = new Map<Activation, Sleeper>();
  /** Real answers of activations that have slept. */
  readonly #answers = new Map<Activation, Promise<unknown>>();
  readonly #imports: WebAssembly.Imports;
  /** An event that the model did not allow: events must not throw into the patcher. */
  #illegal: unknown;
  #nextActivation = 1;
  /** How deep in calls of the program we are. */
  #depth = 0;
  /** A sleeper that was woken runs: what of its instance is under way cannot be seen until it ends. */
  #woken: Activation | undefined;

  constructor(module: WebAssembly.Module, patches: readonly BuiltFacts[]) {
    this.#module = module;
    this.#patches = patches;
    const sleep = (place: number, id: number): Promise<void> => this.#sleep(place, id);
    const none = (): never => {
      throw new Error('this engine has no JSPI');
    };
    this.#imports = {
      env: {
        host: (place: number, id: number) => this.#host(place, id),
        sleep: jspi === undefined ? none : new jspi.Suspending(sleep),
      },
    };
    this.patcher.subscribe((event) => {
      try {
        this.model.see(event);
      } catch (cause) {
        this.#illegal ??= cause;
      }
    });
  }

  /** Does one action where the program may be anywhere; those that need the event loop do nothing there. */
  act(action: Action): void {
    this.#act(action);
    this.check();
  }

  /** Does one action from the event loop. */
  async actOnTurn(action: Action): Promise<void> {
    if (action.do === 'resume') await this.#resume(action.which, action.fails);
    else if (action.do === 'turn') await this.#turn();
    else this.#act(action);
    this.check();
    await microtasks(); // promises of calls that did not sleep settle
    this.#checkSettles();
  }

  /** All activations end, all safe points are passed, then everything is reverted. */
  async end(): Promise<void> {
    while (this.#sleepers.size > 0) await this.#resume(0, false);
    for (let left = this.model.stack.length + 1; left > 0; left -= 1) {
      for (const id of [...this.#held.keys()]) this.#safePoint(id);
      this.patcher.pump(10_000);
      this.#checkSettles();
      // Whoever was dropped comes by no safe point.
      if (this.model.pending.every((id) => this.model.dropped.has(id))) this.#act({ do: 'force' });
      this.#checkSettles();
      expect(this.model.transition).toBeUndefined();
      this.check();
      if (this.model.stack.length > 0) this.#change('revert', undefined, 'hybrid');
    }
    for (const id of this.#held.keys()) expect(this.#look(id)).toEqual({ both: 0, f: 0, g: 0, solo: 0 });
  }

  #act(action: Action): void {
    switch (action.do) {
      case 'create':
        if (this.#held.size < 5) this.#create();
        return;
      case 'drop':
      case 'release':
      case 'safePoint': {
        const id = this.#choose(action.which);
        if (id !== undefined) this.#toInstance(action.do, id);
        return;
      }
      case 'apply':
        return this.#change('apply', this.#patches[action.patch % this.#patches.length], action.model);
      case 'revert':
        return this.#change('revert', this.#patches[action.patch % this.#patches.length], action.model);
      case 'revertTop':
        return this.#change('revert', undefined, action.model);
      case 'force':
        return this.#same(this.model.force(), () => this.patcher.beginForce());
      case 'pump':
        return this.#pump(action.budgetMs);
      case 'call':
        return this.#call(action);
      case 'resume':
      case 'turn':
        return;
    }
  }

  #choose(which: number): number | undefined {
    const ids = [...this.#held.keys()];
    return ids[which % ids.length];
  }

  #create(): void {
    const instance = new WebAssembly.Instance(this.#module, this.#imports);
    const exports = instance.exports;
    const { id } = this.patcher.adopt(instance, this.#module, this.#imports);
    this.#held.set(id, { instance, call: (name) => exports[name] as WasmFunction });
  }

  #toInstance(what: 'drop' | 'release' | 'safePoint', id: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const active = this.model.isActive(id);
    if (what === 'safePoint') return this.#safePoint(id);
    if (what === 'drop') {
      if (active) return;
      this.#held.delete(id);
      this.model.dropped.add(id);
      return;
    }
    const known = this.#woken?.instance !== id;
    const expected: Answer = active || !known ? 'WGRAFT_ERR_INSTANCE_ACTIVE' : 'begun';
    this.#same(expected, () => this.patcher.release(held.instance));
    if (expected !== 'begun') return;
    expect(this.#look(id)).toEqual({ both: 0, f: 0, g: 0, solo: 0 });
    this.#held.delete(id);
  }

  #safePoint(id: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const outer = this.model.safePointOf;
    this.model.safePointOf = id;
    this.patcher.safePoint(held.instance);
    this.model.safePointOf = outer;
  }

  #change(direction: 'apply' | 'revert', patch: BuiltFacts | undefined, wanted: ConsistencyModel): void {
    const model = this.#fit(direction, patch, wanted);
    if (direction === 'apply' && patch !== undefined)
      return this.#same(this.model.apply(patch, model), () =>
        this.patcher.beginApply(patch.bytes, { model, ...settled }),
      );
    this.#same(this.model.revert(patch?.name, model), () =>
      this.patcher.beginRevert(patch?.name, { model, ...settled }),
    );
  }

  /** f and g change, `both`, which asks them, does not: to leave the set is not enough to keep it from mixing them. */
  #fit(
    direction: 'apply' | 'revert',
    patch: BuiltFacts | undefined,
    model: ConsistencyModel,
  ): ConsistencyModel {
    const { stack } = this.model;
    const own = patch ?? stack.at(-1)?.patch;
    const others = direction === 'apply' && own?.cumulative === true ? stack.map((r) => r.patch) : [];
    const changed = new Set<FunctionName>(
      [...(own === undefined ? [] : [own]), ...others].flatMap((p) => p.functions),
    );
    const mixes = changed.has('f') && !changed.has('both');
    if (!mixes || model === 'immediate' || model === 'safe-point') return model;
    return model === 'stop-machine' ? 'checkpoint' : 'leave-kernel';
  }

  /** Does it really, and compares the answer. */
  #same(expected: Answer, act: () => unknown): void {
    let answer: string = expected.startsWith('WGRAFT') ? 'begun' : expected;
    try {
      act();
    } catch (error) {
      if (!WgraftError.is(error)) throw error;
      answer = error.code;
    }
    expect(answer).toBe(expected);
  }

  #pump(budgetMs: number): void {
    this.patcher.pump(budgetMs);
    if (this.#depth === 0 && budgetMs > 0)
      this.model.tally.waited += this.model.transition === undefined ? 0 : 1;
  }

  #call(action: CallAction): void {
    const id = this.#choose(action.which);
    const held = id === undefined ? undefined : this.#held.get(id);
    if (id === undefined || held === undefined || this.#depth > 6) return;
    const activation = new Activation(this.#nextActivation++, id, action, (name) =>
      this.model.version(id, name),
    );
    if (activation.sleeps && jspi === undefined) return;
    this.model.activations.add(activation);
    this.#calls.set(activation.id, { activation, action, hostRan: false });
    const pausing = [action.how, action.inner].map((p) => pauses.indexOf(p));
    const args = action.place === 'outer' ? pausing : pausing.slice(0, 1);
    const f = held.call(action.place);
    this.#depth += 1;
    try {
      if (activation.sleeps && jspi !== undefined)
        this.#promised(activation, jspi.promising(f)(...args, activation.id));
      else this.#answered(activation, f(...args, activation.id));
    } catch (error) {
      if (error !== planned) throw error;
      this.#over(activation);
    } finally {
      this.#depth -= 1;
    }
  }

  #promised(activation: Activation, answer: Promise<number>): void {
    this.#answers.set(activation, answer);
    answer.catch(() => {}); // looked at when it is woken
    // It has met the host's failure before it came to sleep.
    if (!this.#sleepers.has(activation)) this.#over(activation);
  }

  #answered(activation: Activation, answer: unknown): void {
    expect(answer).toBe(activation.answer);
    this.#over(activation);
  }

  #over(activation: Activation): void {
    this.model.activations.delete(activation);
    this.#calls.delete(activation.id);
    this.#answers.delete(activation);
  }

  #host(place: number, id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) throw new Error(`no call ${id}`);
    const { activation, action, hostRan } = call;
    call.hostRan = true;
    if (!hostRan) {
      for (const a of action.host) this.act(a);
      if (action.fails) throw planned;
    }
    activation.resume(places[place] ?? 'solo');
  }

  #sleep(at: number, id: number): Promise<void> {
    const activation = this.#calls.get(id)?.activation;
    const place = places[at];
    if (activation === undefined || place === undefined) throw new Error(`no call ${id}`);
    return new Promise((resolve, reject) => {
      const wake = (fails: boolean): void => (fails ? reject(planned) : resolve());
      this.#sleepers.set(activation, { activation, place, wake });
    });
  }

  async #resume(which: number, fails: boolean): Promise<void> {
    const all = [...this.#sleepers.values()];
    const sleeper = all[which % all.length];
    if (sleeper === undefined) return;
    const { activation, place, wake } = sleeper;
    const answer = this.#answers.get(activation);
    this.#sleepers.delete(activation);
    if (!fails) activation.resume(place);
    this.#woken = activation;
    wake(fails);
    await microtasks();
    this.#woken = undefined;
    if (this.#sleepers.has(activation)) return; // it sleeps again
    const outcome = await answer?.catch((error: unknown) => error);
    if (outcome === planned) this.#over(activation);
    else this.#answered(activation, outcome);
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc?.({ type: 'minor' });
  }

  /** Whatever the world shows is what the model says. */
  check(): void {
    if (this.#illegal !== undefined) throw this.#illegal;
    for (const id of this.#held.keys()) expect(this.#look(id)).toEqual(this.#expectedLook(id));
    const t = this.model.transition;
    const status = this.patcher.statusNow().programs[0];
    if (status === undefined)
      return expect([this.#held.size, this.model.stack, t]).toEqual([0, [], undefined]);
    expect(status.patches.map((p) => [p.name, p.state])).toEqual(
      this.model.stack.map((r) => [r.patch.name, r.state]),
    );
    expect(status.forced).toBe(this.model.forced);
    expect(status.transition?.direction).toBe(t?.direction);
    expect(status.transition?.patch).toBe(t?.record.patch.name);
    for (const { id, state } of status.instances)
      if (this.#held.has(id)) expect([id, state]).toEqual([id, this.#expectedState(id)]);
  }

  /** After an unhurried look from an empty stack, what is left is just what must wait. */
  #checkSettles(): void {
    this.patcher.pump(10_000);
    this.patcher.pump(10_000); // the first may have given up and turned round
    const t = this.model.transition;
    if (this.#illegal !== undefined) throw this.#illegal;
    if (t === undefined) return;
    const held = this.model.pending.filter((id) => this.#held.has(id));
    const inTheWay = held.filter((id) => !this.model.isEligible(id));
    expect(t.phase).toBe('committing');
    expect(this.model.pending.every((id) => this.model.isEligible(id))).toBe(false);
    const waiting = this.patcher.blockingNow().map((b) => b.instance);
    expect(waiting.filter((id) => this.#held.has(id)).sort()).toEqual([...inTheWay].sort());
    if (!this.model.switchesAtOnce) expect(held.sort()).toEqual(inTheWay.sort());
  }

  #look(id: number): Record<FunctionName, number> {
    const call = this.#held.get(id)?.call ?? (() => () => Number.NaN);
    return {
      both: Math.floor(call('both')(0, 0) / 10_000),
      f: call('f')(),
      g: call('g')(),
      solo: call('solo')(0, 0),
    };
  }

  #expectedLook(id: number): Record<FunctionName, number> {
    const version = (name: FunctionName): number => this.model.version(id, name);
    return { both: version('both'), f: version('f'), g: version('g'), solo: version('solo') };
  }

  #expectedState(id: number): number {
    const t = this.model.transition;
    if (t === undefined) return -1;
    const isThrough = t.phase === 'finishing' || (t.phase === 'committing' && t.switched.has(id));
    return isThrough === (t.direction === 'apply') ? 1 : 0;
  }
}

/** A sleeper that is woken has come as far as it can. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await undefined;
}
