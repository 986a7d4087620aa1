// Activations that JSPI has put aside. They are on no stack, so their frames are written down when a `Suspending` import
// gives its promise back, and forgotten when that promise settles, just before the stack goes on. `promising` and `Suspending` are
// wrapped when the first patcher is made; what the host made before that is only counted, or not seen at all.
//
// Books are kept for each owner (a program's instance; patches in it belong to it; one for strangers):
//
//   promised   calls of promising functions that have not settled
//   inCall     of these, those that have not returned to their caller yet: their frames are on the stack
//   suspended  of these, those whose frames are written down
//
// promised > inCall + suspended: something is under way of which nothing is known, so it may be in any function.

import { types } from 'node:util';
import { constructorStandIn, type FuncIndex, standIn } from '../wasm/index.ts';
import { type Frame, wasmFrames } from './activeness.ts';

type Func = (...args: unknown[]) => unknown;
type Promising = (f: WebAssembly.ExportValue) => Func;
type SuspendingClass = new (f: Func) => object;

interface Books {
  promised: number;
  inCall: number;
  suspended: number;
}

/** Holds no instance: one whose promise never settles can be collected. */
interface Suspension {
  /** Innermost first. */
  readonly frames: { readonly instance: WeakRef<WebAssembly.Instance>; readonly func: FuncIndex }[];
}

/** A promising call that has not returned yet. */
interface Call {
  readonly owner: object;
  suspension: Suspension | undefined;
}

const stranger = {};
const books = new WeakMap<object, Books>();
const owners = new WeakMap<WebAssembly.Instance, WebAssembly.Instance>();
const ownerOfFunction = new WeakMap<WebAssembly.ExportValue, WebAssembly.Instance>();
const suspensions = new WeakMap<WebAssembly.Instance, Set<Suspension>>();
/** Innermost last. */
const calls: Call[] = [];
let tracked = false;

/** Sees to it that promising calls and suspensions are written down from now on. */
export function trackSuspensions(): void {
  if (tracked) return;
  tracked = true;
  const engine = WebAssembly as unknown as { promising?: Promising; Suspending?: SuspendingClass };
  const { promising, Suspending } = engine;
  if (promising === undefined || Suspending === undefined) return;
  engine.promising = standIn(promising, (...args) => {
    const [f] = args as Parameters<Promising>; // the engine looks at it
    return counted(promising(f), ownerOfFunction.get(f) ?? stranger);
  });
  engine.Suspending = constructorStandIn(Suspending, ([f], newTarget) => {
    const given = [typeof f === 'function' ? noted(f as Func) : f];
    const target = Suspending as unknown as Func;
    if (newTarget === undefined) return Reflect.apply(target, undefined, given) as object;
    return Reflect.construct(target, given, newTarget) as object;
  });
}

/** From now on, what is under way in `instance` (the program's, or that of a patch in it) counts for `owner`. */
export function countFor(owner: WebAssembly.Instance, instance: WebAssembly.Instance): void {
  owners.set(instance, owner);
  for (const value of Object.values(instance.exports))
    if (typeof value === 'function') ownerOfFunction.set(value, owner);
}

/** The suspended stacks with frames of these instances, innermost first; undefined where not all of them are known. */
export function suspendedStacks(
  owner: WebAssembly.Instance,
  instances: Iterable<WebAssembly.Instance>,
): readonly (readonly Frame[])[] | undefined {
  if (hidesSomething(owner) || hidesSomething(stranger)) return undefined;
  const found = new Set([...instances].flatMap((i) => [...(suspensions.get(i) ?? [])]));
  return [...found].map(({ frames }) =>
    frames.flatMap(({ instance, func }) => {
      const alive = instance.deref();
      return alive === undefined ? [] : [{ instance: alive, func }];
    }),
  );
}

function hidesSomething(owner: object): boolean {
  const b = books.get(owner);
  return b !== undefined && b.promised > b.inCall + b.suspended;
}

function booksOf(owner: object): Books {
  const known = books.get(owner) ?? { promised: 0, inCall: 0, suspended: 0 };
  books.set(owner, known);
  return known;
}

function counted(f: Func, owner: object): Func {
  return standIn(f, (...args) => {
    const b = booksOf(owner);
    b.promised += 1;
    b.inCall += 1;
    const call: Call = { owner, suspension: undefined };
    calls.push(call);
    const settle = (): void => {
      b.promised -= 1;
    };
    try {
      const result = f(...args);
      cutCaller(call);
      (result as Promise<unknown>).then(settle, settle);
      return result;
    } catch (error) {
      settle();
      throw error;
    } finally {
      b.inCall -= 1;
      calls.pop();
    }
  });
}

/** An engine shows the stack that is put aside on top of its caller's, which goes on. */
function cutCaller({ suspension }: Call): void {
  if (suspension === undefined) return;
  suspension.frames.length -= Math.min(wasmFrames().length, suspension.frames.length);
}

/** The import, with the stack that waits for its promise written down until it settles. */
function noted(f: Func): Func {
  return function suspending(this: unknown, ...args: unknown[]): unknown {
    const result = f.apply(this, args);
    if (types.isPromise(result)) note(wasmFrames(), result);
    return result;
  };
}

function note(stack: readonly Frame[], until: Promise<unknown>): void {
  // A stack that has been resumed stands on no call: its outermost frame says whose it is.
  const outermost = stack.at(-1)?.instance;
  const call = calls.at(-1);
  const owner = call?.owner ?? (outermost && owners.get(outermost)) ?? stranger;
  const suspension: Suspension = {
    frames: stack.map(({ instance, func }) => ({ instance: new WeakRef(instance), func })),
  };
  if (call !== undefined) call.suspension = suspension;
  const b = booksOf(owner);
  b.suspended += 1;
  const instances = new Set(stack.map((f) => f.instance));
  for (const instance of instances) {
    const known = suspensions.get(instance) ?? new Set();
    suspensions.set(instance, known.add(suspension));
  }
  const refs = [...instances].map((i) => new WeakRef(i));
  const forget = (): void => {
    b.suspended -= 1;
    for (const ref of refs) {
      const instance = ref.deref();
      if (instance !== undefined) suspensions.get(instance)?.delete(suspension);
    }
  };
  until.then(forget, forget); // before the engine's own reaction, which resumes the stack
}
