// Activations that JSPI has put aside are on no stack, so they are counted where hosts make them: a function that
// `WebAssembly.promising` gives out is under way until its promise settles. `promising` is wrapped when the first instance is
// adopted; what the host wrapped before that is not seen.

import { standIn } from '../wasm/index.ts';

const instances = new WeakMap<WebAssembly.ExportValue, WebAssembly.Instance>();
const underWay = new WeakMap<WebAssembly.Instance, number>();
/** Calls of functions that belong to no adopted instance, as far as is known: they may belong to any. */
let unattributed = 0;
let installed = false;

type Call = (...args: unknown[]) => Promise<unknown>;
type Promising = (f: WebAssembly.ExportValue) => Call;

/** Remembers which instance these exports belong to, and sees to it that promising calls are counted. */
export function countActivations(instance: WebAssembly.Instance): void {
  for (const value of Object.values(instance.exports))
    if (typeof value === 'function') instances.set(value, instance);
  countPromising();
}

/** Wraps `WebAssembly.promising`, once: before a program takes it aside. */
export function countPromising(): void {
  if (installed) return;
  installed = true;
  const engine = WebAssembly as unknown as { promising?: Promising };
  const { promising } = engine;
  if (promising === undefined) return;
  engine.promising = standIn(promising, (...args) => {
    const call = promising(...(args as Parameters<Promising>)); // the engine looks at them
    return counted(call, instances.get(args[0] as WebAssembly.ExportValue));
  });
}

/** Has a promising call into this instance not settled yet? */
export function isSuspended(instance: WebAssembly.Instance): boolean {
  return unattributed > 0 || (underWay.get(instance) ?? 0) > 0;
}

function counted(call: Call, instance: WebAssembly.Instance | undefined): Call {
  return standIn(call, (...args) => {
    count(instance, 1);
    let result: Promise<unknown>;
    try {
      result = call(...args);
    } catch (error) {
      count(instance, -1);
      throw error;
    }
    const settle = (): void => count(instance, -1);
    result.then(settle, settle);
    return result;
  });
}

function count(instance: WebAssembly.Instance | undefined, by: 1 | -1): void {
  if (instance === undefined) unattributed += by;
  else underWay.set(instance, (underWay.get(instance) ?? 0) + by);
}
