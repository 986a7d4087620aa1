// Which Wasm functions are on the stack right now, and of which instance (PoDUS' and Ksplice's activeness check).
// V8 gives it exactly, through call sites: getFunction() is the function index and getThis() the instance of a Wasm frame.
// That is not documented, so it is tested before it is first relied on; where it fails, frames count as unknown, and an
// instance is only touched from a fresh turn of the event loop, where no frame can be below us.
//
// Call sites come from a realm of our own, so that the program's Error.prepareStackTrace and stackTraceLimit stay untouched.
// A caller that left by a tail call is rightly not listed. Stacks that JSPI or Asyncify have put aside are not seen.

import vm from 'node:vm';
import { engine, type FuncIndex } from '../wasm/index.ts';

export interface Frame {
  readonly instance: WebAssembly.Instance;
  readonly func: FuncIndex;
}

interface CallSite {
  getFunction(): unknown;
  getThis(): unknown;
}

let capture: (() => CallSite[]) | undefined;

/** The Wasm frames of the current stack, innermost first. */
export function wasmFrames(): Frame[] {
  capture ??= vm.runInNewContext(`(() => {
    Error.stackTraceLimit = Infinity;
    Error.prepareStackTrace = (_, sites) => sites;
    return () => new Error().stack;
  })()`) as () => CallSite[];
  const frames: Frame[] = [];
  for (const site of capture()) {
    const func = site.getFunction();
    if (typeof func === 'number') frames.push({ instance: site.getThis() as WebAssembly.Instance, func });
  }
  return frames;
}

let works: boolean | undefined;

/** True where this engine's call sites say what `wasmFrames` needs; tested once. */
export function canSeeFrames(): boolean {
  works ??= selfTest();
  return works;
}

// (module (import "m" "f" (func)) (func (export "g") call 0))
const probe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 103,
  0, 1, 10, 6, 1, 4, 0, 16, 0, 11,
]);

/** Two instances of one module, one called through the other: both must be told apart, with the right function. */
function selfTest(): boolean {
  try {
    const module = new engine.Module(probe);
    const seen: Frame[] = [];
    const inner = new engine.Instance(module, { m: { f: () => void seen.push(...wasmFrames()) } });
    const outer = new engine.Instance(module, { m: { f: () => call(inner) } });
    call(outer);
    const [first, second] = seen.filter((f) => f.instance === inner || f.instance === outer);
    return first?.instance === inner && first.func === 1 && second?.instance === outer && second.func === 1;
  } catch {
    return false;
  }
}

function call(instance: WebAssembly.Instance): void {
  const g = instance.exports['g'];
  if (typeof g === 'function') g();
}
