// Collects the Wasm stacks under a program's calls to its host, to see whether names and indices of functions are kept.

import type { Loader } from './workload.ts';

export interface StackRecorder {
  readonly loader: Loader;
  /** Each different stack once, in the order of first sight: `name[index] < caller[index] < ...`. */
  readonly stacks: ReadonlySet<string>;
}

const callsPerImport = 40;
const frames = 30;

/** A loader that does what `loader` does and records stacks at each import's first calls. */
export function recordStacks(loader: Loader): StackRecorder {
  const stacks = new Set<string>();
  const watch = (original: (...values: unknown[]) => unknown): unknown => {
    let calls = 0;
    return (...values: unknown[]) => {
      if (calls++ < callsPerImport) stacks.add(wasmStack());
      return original(...values);
    };
  };
  const imports = (given: WebAssembly.Imports): WebAssembly.Imports =>
    watchFunctions(loader.imports?.(given) ?? given, watch);
  return { loader: { ...loader, imports }, stacks };
}

/** Imports whose plain JavaScript functions are watched; read lazily, since dynamic linkers answer with proxies. */
function watchFunctions(
  imports: WebAssembly.Imports,
  watch: (original: (...values: unknown[]) => unknown) => unknown,
): WebAssembly.Imports {
  const watched = new Map<unknown, unknown>();
  const watchOnce = (value: unknown): unknown => {
    if (!isHostFunction(value)) return value;
    const known = watched.get(value) ?? watch(value);
    watched.set(value, known);
    return known;
  };
  const module = (fields: object): object =>
    new Proxy({}, { get: (_, name) => watchOnce(Reflect.get(fields, name)) });
  return new Proxy(imports, {
    get(target, name) {
      const fields: unknown = Reflect.get(target, name);
      return typeof fields === 'object' && fields !== null ? module(fields) : fields;
    },
  });
}

const probe = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });

/** False for what other modules export: a table takes those, and nothing else. */
function isHostFunction(value: unknown): value is (...values: unknown[]) => unknown {
  if (typeof value !== 'function') return false;
  try {
    probe.set(0, value);
    return false;
  } catch {
    return true;
  }
}

function wasmStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  const lines = (new Error().stack ?? '').split('\n');
  Error.stackTraceLimit = limit;
  return lines.flatMap(wasmFrame).join(' < ');
}

/** `at NAME (wasm://...:wasm-function[INDEX]:0xOFFSET)`; a function without a name has no parentheses. */
function wasmFrame(line: string): string[] {
  const found = /^\s*at (?:(.+) \()?wasm:.*:wasm-function(\[\d+\]):/.exec(line);
  return found === null ? [] : [`${found[1] ?? ''}${found[2]}`];
}
