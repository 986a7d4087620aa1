// A build that runs: as it is, or prepared and under the patcher. Reactor modules: `_initialize` once, then calls.

import { WASI } from 'node:wasi';
import { type InstantiateOptions, instantiate } from '../../src/index.ts';
import type { Recipe, Value } from './recipe.ts';

export interface Running {
  readonly exports: ReadonlySet<string>;
  /** Makes a call, written `export:arg,arg`. A trap is a value; the instance cannot be trusted after it. */
  call(written: string): Value;
}

/** Instantiates a build as it is. */
export async function runPlain(module: WebAssembly.Module): Promise<Running> {
  return (await runRaw(module)).running;
}

/** The same, with the instance itself and what it was instantiated with. */
export async function runRaw(
  module: WebAssembly.Module,
): Promise<{ running: Running; instance: WebAssembly.Instance; imports: WebAssembly.Imports }> {
  const { wasi, imports } = surroundings(module);
  const instance = await WebAssembly.instantiate(module, imports);
  return { running: start(wasi, instance), instance, imports };
}

/** Instantiates a prepared module so that it can be patched; it has the patches that its program has. */
export async function runPrepared(module: WebAssembly.Module, options: InstantiateOptions): Promise<Running> {
  const { wasi, imports } = surroundings(module);
  const { instance } = await instantiate(module, imports, options);
  return start(wasi, instance);
}

function surroundings(module: WebAssembly.Module): { wasi: WASI; imports: WebAssembly.Imports } {
  const wasi = new WASI({ version: 'preview1', args: ['m'], env: {}, preopens: {}, returnOnExit: true });
  const imports: Record<string, WebAssembly.ModuleImports> = {
    wasi_snapshot_preview1: { ...wasi.wasiImport },
  };
  // The builds are linked with --allow-undefined: what the fix and the driver never call may be missing.
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    if (kind !== 'function' || name in imports[from]) continue;
    imports[from][name] = () => {
      throw new Error(`unresolved import ${from}.${name}`);
    };
  }
  return { wasi, imports };
}

function start(wasi: WASI, instance: WebAssembly.Instance): Running {
  wasi.initialize(instance);
  return {
    exports: new Set(Object.keys(instance.exports)),
    call: (written) => call(instance, written),
  };
}

function call(instance: WebAssembly.Instance, written: string): Value {
  const [name = '', list = ''] = written.split(':');
  const exported = instance.exports[name];
  if (typeof exported !== 'function') throw new Error(`the module has no export "${name}"`);
  try {
    const got: unknown = exported(...list.split(',').filter(Boolean).map(Number));
    return typeof got === 'number' ? got : String(got);
  } catch (error) {
    return `trap: ${String(error instanceof Error ? error.message : error).split('\n', 1)[0]}`;
  }
}

export function isTrap(value: Value | undefined): boolean {
  return typeof value === 'string' && value.startsWith('trap');
}

/** Calls of one round, and what each gave. Ends with the first trap. */
export type Round = ReadonlyMap<string, Value>;

/** The calls that an entry is judged by, for a round in which the check may be made or not. */
export function roundCalls(recipe: Recipe, running: Running, check: boolean): readonly string[] {
  return [
    recipe.workload,
    // State that lives from call to call, where the driver keeps some.
    ...(running.exports.has(liveCall.split(':', 1)[0] ?? '') ? [liveCall] : []),
    ...(check && recipe.observable !== undefined ? [recipe.observable.call] : []),
  ];
}

export const liveCall = 'drv_live:3';

export function runRound(running: Running, calls: readonly string[]): Round {
  const round = new Map<string, Value>();
  for (const written of calls) {
    const value = running.call(written);
    round.set(written, value);
    if (isTrap(value)) break;
  }
  return round;
}
