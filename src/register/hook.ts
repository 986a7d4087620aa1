// The hook: what a program calls of `WebAssembly` goes through the loader. What stands in place of the engine's functions are
// proxies of them, so names, lengths, prototypes and `instanceof` are the engine's. An argument that is no module, and a
// module that is left as it is, reach the engine untouched, and its errors reach the program so. `validate` is left alone: it
// answers for the module that the program has.

import { engine, keepEngine } from '../wasm/engine.ts';
import type { Loader } from './loader.ts';
import { withoutOurFrames } from './stack.ts';

type Call = (...args: unknown[]) => unknown;
type Apply = (target: Call, self: unknown, args: unknown[]) => unknown;
type Construct = (target: Call, args: unknown[], newTarget: Call) => object;
type Handler = { readonly apply: Apply } | { readonly construct: Construct };

/** The loader, made when it is first needed; undefined where that failed. */
export type GetLoader = () => Loader | undefined;

/** Puts the hook in. False where one is in already. */
export function installHook(get: GetLoader): boolean {
  if (!keepEngine()) return false;
  const { Module, Instance } = WebAssembly;
  replace(Module, 'exports', { apply: hideExports });
  replace(Module, 'customSections', { apply: hideSections(get) });
  replace(WebAssembly, 'Module', { construct: compileNow(get) });
  replace(WebAssembly, 'Instance', { construct: instantiateNow(get) });
  Module.prototype.constructor = WebAssembly.Module;
  Instance.prototype.constructor = WebAssembly.Instance;
  replace(WebAssembly, 'compile', { apply: compile(get) });
  replace(WebAssembly, 'instantiate', { apply: instantiate(get) });
  replace(WebAssembly, 'compileStreaming', { apply: stream(get, compile) });
  replace(WebAssembly, 'instantiateStreaming', { apply: stream(get, instantiate) });
  return true;
}

function replace(target: object, key: string, handler: Handler): void {
  const found = Object.getOwnPropertyDescriptor(target, key);
  if (typeof found?.value !== 'function') return;
  const value = new Proxy(found.value as Call, handler);
  Object.defineProperty(target, key, { ...found, value });
}

const hideExports: Apply = (target, self, args) => {
  const all = Reflect.apply(target, self, args) as WebAssembly.ModuleExportDescriptor[];
  return all.filter(({ name }) => !name.startsWith('__wgraft_'));
};

function hideSections(get: GetLoader): Apply {
  return (target, self, args) => {
    const [module, name] = args;
    const found = Reflect.apply(target, self, args);
    if (!(module instanceof engine.Module)) return found;
    if (typeof name !== 'string' || !/^(wgraft\.|build_id$)/.test(name)) return found;
    return get()?.originalSections(module, name) ?? found;
  };
}

function compileNow(get: GetLoader): Construct {
  return (target, args, newTarget) =>
    withoutOurFrames(() => {
      const loading = get()?.load(args[0]);
      if (loading === undefined) return Reflect.construct(target, args, newTarget) as object;
      try {
        const made: unknown = Reflect.construct(target, [loading.bytes, ...args.slice(1)], newTarget);
        loading.accepted(made as WebAssembly.Module); // what the constructor of Module gives
        return made as object;
      } catch (cause) {
        loading.refused(cause);
        return Reflect.construct(target, args, newTarget) as object;
      }
    });
}

function instantiateNow(get: GetLoader): Construct {
  return (target, args, newTarget) =>
    withoutOurFrames(() => {
      const made = Reflect.construct(target, args, newTarget) as WebAssembly.Instance;
      const [module, imports] = args;
      get()?.adopt(made, module as WebAssembly.Module, imports); // it was made of one
      return made;
    });
}

function compile(get: GetLoader, caller?: string): Apply {
  return (target, self, args) => {
    const loading = get()?.load(args[0], caller);
    if (loading === undefined) return Reflect.apply(target, self, args);
    const made = Reflect.apply(target, self, [
      loading.bytes,
      ...args.slice(1),
    ]) as Promise<WebAssembly.Module>;
    return made.then(
      (module) => {
        loading.accepted(module);
        return module;
      },
      (cause: unknown) => {
        loading.refused(cause);
        return Reflect.apply(target, self, args);
      },
    );
  };
}

function instantiate(get: GetLoader, caller?: string): Apply {
  return (target, self, args) => {
    const loader = get();
    const [source, imports] = args;
    if (source instanceof engine.Module) {
      const made = Reflect.apply(target, self, args) as Promise<WebAssembly.Instance>;
      return made.then((instance) => {
        loader?.adopt(instance, source, imports);
        return instance;
      });
    }
    const loading = loader?.load(source, caller);
    const given = loading === undefined ? args : [loading.bytes, ...args.slice(1)];
    const made = Reflect.apply(target, self, given) as Promise<WebAssembly.WebAssemblyInstantiatedSource>;
    return made.then(
      (result) => {
        loading?.accepted(result.module);
        loader?.adopt(result.instance, result.module, imports);
        return result;
      },
      (cause: unknown) => {
        // Where it was compiled, code of it may have run: then the failure is the program's.
        if (loading === undefined || engine.validate(loading.bytes)) throw cause;
        loading.refused(cause);
        return Reflect.apply(target, self, args);
      },
    );
  };
}

/** A response is read first, and given on as one, since its errors name the function that was called. */
function stream(get: GetLoader, how: typeof compile): Apply {
  return (target, self, args) => {
    const caller = get()?.caller();
    const [source, ...rest] = args;
    const read = async (response: unknown): Promise<unknown> => {
      if (!isReadable(response)) return Reflect.apply(target, self, [response, ...rest]);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const onBytes: Call = (given, ...more) =>
        Reflect.apply(target, self, [new Response(given as Uint8Array<ArrayBuffer>, wasmResponse), ...more]);
      return how(get, caller)(onBytes, self, [bytes, ...rest]);
    };
    return Promise.resolve(source).then(read);
  };
}

const wasmType = 'application/wasm';
const wasmResponse = { headers: { 'content-type': wasmType } };

/** What the engine would read; it says itself what is wrong with all else. */
function isReadable(response: unknown): response is Response {
  if (!(response instanceof Response) || !response.ok || response.bodyUsed) return false;
  return response.headers.get('content-type') === wasmType && response.body?.locked !== true;
}
