// Puts a Loader between a program and the engine: while the program loads, the ways into WebAssembly of this realm are
// replaced, so that every package, whatever options it has, gets its Wasm the same way. One program loads at a time.
// What the loader itself asks of WebAssembly reaches the engine.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Loader } from './workload.ts';

const original = {
  instantiate: WebAssembly.instantiate,
  compile: WebAssembly.compile,
  Module: WebAssembly.Module,
  Instance: WebAssembly.Instance,
};
const insideLoader = new AsyncLocalStorage<true>();
let isLoading = false;

type Imports = WebAssembly.Imports;
type Made = WebAssembly.Instance | WebAssembly.WebAssemblyInstantiatedSource;

/** Runs `load`, which loads one program, with `loader` in place of the engine. */
export async function loadThrough<T>(loader: Loader, load: () => Promise<T>): Promise<T> {
  if (isLoading) throw new Error('another program is loading');
  isLoading = true;
  Object.assign(WebAssembly, asynchronous(loader), constructors(loader));
  try {
    return await load();
  } finally {
    Object.assign(WebAssembly, original);
    isLoading = false;
  }
}

/** The third argument of the engine's own is missing in the types of Node. */
type Compile = (source: BufferSource, options?: unknown) => Promise<WebAssembly.Module>;
type Instantiate = (
  source: BufferSource | WebAssembly.Module,
  imports?: Imports,
  options?: unknown,
) => Promise<Made>;

function asynchronous(loader: Loader): { compile: Compile; instantiate: Instantiate } {
  const compile: Compile = (source, options) => {
    const bytes = insideLoader.getStore() ? source : loader.bytes(bytesOf(source));
    return Reflect.apply(original.compile, WebAssembly, [bytes, options]);
  };
  const make = (module: WebAssembly.Module, imports?: Imports): Promise<WebAssembly.Instance> =>
    insideLoader.run(true, () => (loader.instantiate ?? original.instantiate)(module, wrap(loader, imports)));
  const instantiate: Instantiate = async (source, imports, options) => {
    if (insideLoader.getStore())
      return Reflect.apply(original.instantiate, WebAssembly, [source, imports, options]);
    if (source instanceof original.Module) return make(source, imports);
    const module = await compile(source, options);
    return { module, instance: await make(module, imports) };
  };
  return { compile, instantiate };
}

function constructors(loader: Loader): Pick<typeof WebAssembly, 'Module' | 'Instance'> {
  const Module = new Proxy(original.Module, {
    construct(target, [source, ...rest], newTarget) {
      const bytes = insideLoader.getStore() ? source : loader.bytes(bytesOf(source));
      return Reflect.construct(target, [bytes, ...rest], newTarget);
    },
  });
  const Instance = new Proxy(original.Instance, {
    construct(target, [module, imports], newTarget) {
      if (insideLoader.getStore()) return Reflect.construct(target, [module, imports], newTarget);
      const wrapped = wrap(loader, imports);
      const instance = Reflect.construct(target, [module, wrapped], newTarget);
      insideLoader.run(true, () => loader.adopt?.(instance, module, wrapped));
      return instance;
    },
  });
  return { Module, Instance };
}

const wrap = (loader: Loader, imports: Imports | undefined): Imports | undefined =>
  imports && (loader.imports?.(imports) ?? imports);

/** The same bytes; copied only where they are shared with another thread, which the engine does not take. */
function bytesOf(source: BufferSource): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(source)
    ? source
    : { buffer: source, byteOffset: 0, byteLength: source.byteLength };
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, byteOffset, byteLength);
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}
