// The hook: what a program calls of `WebAssembly` goes through the loader. Functions that look like the engine's stand in
// place of them. An argument that is no module, and a module that is left as it is, reach the engine untouched, and its errors
// reach the program so. `validate` is left alone: it answers for the module that the program has.

import { engine, keepEngine } from '../wasm/engine.ts';
import { constructorStandIn, standIn } from '../wasm/stand-in.ts';
import type { Loader } from './loader.ts';
import { settlingWithoutOurFrames, withoutOurFrames } from './stack.ts';

type Call = (...args: unknown[]) => unknown;
/** A function of the engine, and what is called in its place. */
type Replacement = (original: Call) => Call;

/** The loader, made when it is first needed; undefined where that failed. */
export type GetLoader = () => Loader | undefined;

/** Puts the hook in. False where one is in already. */
export function installHook(get: GetLoader): boolean {
  if (!keepEngine()) return false;
  const { Module, Instance } = WebAssembly;
  replace(Module, 'exports', hideExports);
  replace(Module, 'customSections', (original) => hideSections(original, get));
  Module.prototype.constructor = place('Module', constructorStandIn(Module, compileNow(get)));
  Instance.prototype.constructor = place('Instance', constructorStandIn(Instance, instantiateNow(get)));
  const compiled = (original: Call): Call => compile(original, get);
  const instantiated = (original: Call): Call => instantiate(original, get);
  replace(WebAssembly, 'compile', compiled);
  replace(WebAssembly, 'instantiate', instantiated);
  replace(WebAssembly, 'compileStreaming', (original) => stream(original, get, compile));
  replace(WebAssembly, 'instantiateStreaming', (original) => stream(original, get, instantiate));
  return true;
}

function replace(target: object, key: string, by: Replacement): void {
  const found = Object.getOwnPropertyDescriptor(target, key);
  if (typeof found?.value !== 'function') return;
  const original = found.value as Call;
  Object.defineProperty(target, key, { ...found, value: standIn(original, by(original)) });
}

function place<F extends Call | object>(key: 'Module' | 'Instance', value: F): F {
  Object.defineProperty(WebAssembly, key, { ...Object.getOwnPropertyDescriptor(WebAssembly, key), value });
  return value;
}

function hideExports(original: Call): Call {
  return (...args) =>
    withoutOurFrames(() => {
      const all = original(...args) as WebAssembly.ModuleExportDescriptor[];
      return all.filter(({ name }) => !name.startsWith('__wgraft_'));
    });
}

function hideSections(original: Call, get: GetLoader): Call {
  return (...args) =>
    withoutOurFrames(() => {
      const [module, name] = args;
      const found = original(...args);
      if (!(module instanceof engine.Module) || typeof name !== 'string') return found;
      return get()?.originalSections(module, name) ?? found;
    });
}

type Construct = (args: unknown[], newTarget: Call | undefined) => object;

function compileNow(get: GetLoader): Construct {
  return (args, newTarget) =>
    withoutOurFrames(() => {
      const loading = get()?.load(args[0]);
      if (loading !== undefined) {
        try {
          const made: unknown = Reflect.construct(
            engine.Module,
            [loading.bytes, ...args.slice(1)],
            newTarget,
          );
          loading.accepted(made as WebAssembly.Module); // what its constructor gives
          return made as object;
        } catch (cause) {
          loading.refused(cause);
        }
      }
      return construct(engine.Module, args, newTarget);
    });
}

function instantiateNow(get: GetLoader): Construct {
  return (args, newTarget) =>
    withoutOurFrames(() => {
      const made = construct(engine.Instance, args, newTarget) as WebAssembly.Instance;
      const [module, imports] = args;
      get()?.adopt(made, module as WebAssembly.Module, imports); // it was made of one
      return made;
    });
}

/** The engine's own answer, also to a call without `new`. */
function construct(original: object, args: unknown[], newTarget: Call | undefined): object {
  const target = original as Call;
  if (newTarget === undefined) return Reflect.apply(target, undefined, args) as object;
  return Reflect.construct(target, args, newTarget) as object;
}

/** `caller`: whose module it is, where that can no longer be seen. */
function compile(original: Call, get: GetLoader, caller?: string): Call {
  const compiled = (...args: unknown[]): Promise<WebAssembly.Module> =>
    settlingWithoutOurFrames(original(...args) as Promise<WebAssembly.Module>);
  return (...args) => {
    const loading = get()?.load(args[0], caller);
    if (loading === undefined) return compiled(...args);
    return compiled(loading.bytes, ...args.slice(1)).then(
      (module) => {
        loading.accepted(module);
        return module;
      },
      (cause: unknown) => {
        loading.refused(cause);
        return compiled(...args);
      },
    );
  };
}

function instantiate(original: Call, get: GetLoader, caller?: string): Call {
  const instantiated = <T>(...args: unknown[]): Promise<T> =>
    settlingWithoutOurFrames(original(...args) as Promise<T>);
  return (...args) => {
    const loader = get();
    const [source, imports] = args;
    if (source instanceof engine.Module) {
      return instantiated<WebAssembly.Instance>(...args).then((instance) => {
        loader?.adopt(instance, source, imports);
        return instance;
      });
    }
    const loading = loader?.load(source, caller);
    const given = loading === undefined ? args : [loading.bytes, ...args.slice(1)];
    return instantiated<WebAssembly.WebAssemblyInstantiatedSource>(...given).then(
      (result) => {
        loading?.accepted(result.module);
        loader?.adopt(result.instance, result.module, imports);
        return result;
      },
      (cause: unknown) => {
        // Where it was compiled, code of it may have run: then the failure is the program's.
        if (loading === undefined || engine.validate(loading.bytes)) throw cause;
        loading.refused(cause);
        return instantiated(...args);
      },
    );
  };
}

/** A response is read first, and given on as one, since its errors name the function that was called. */
function stream(original: Call, get: GetLoader, how: typeof compile): Call {
  return (...args) => {
    const caller = get()?.caller();
    const [source, ...rest] = args;
    const onBytes: Call = (bytes, ...more) =>
      original(new Response(bytes as Uint8Array<ArrayBuffer>, wasmResponse), ...more);
    const read = async (response: unknown): Promise<unknown> => {
      if (!isReadable(response)) return original(response, ...rest);
      const bytes = new Uint8Array(await response.arrayBuffer());
      return how(onBytes, get, caller)(bytes, ...rest);
    };
    return settlingWithoutOurFrames(Promise.resolve(source).then(read));
  };
}

const wasmType = 'application/wasm';
const wasmResponse = { headers: { 'content-type': wasmType } };

/** What the engine would read; it says itself what is wrong with all else. */
function isReadable(response: unknown): response is Response {
  if (!(response instanceof Response) || !response.ok || response.bodyUsed) return false;
  return response.headers.get('content-type') === wasmType && response.body?.locked !== true;
}
