// What happens to a module that the program loads: it is prepared, or left as it is, or, where that fails, runs unprepared
// with one warning. Instances of prepared modules are handed to the patcher. Nothing in here throws at the program.

import { createHash } from 'node:crypto';
import { reasonOf, WgraftError } from '../errors.ts';
import { follow, originalSection, readOriginalSections, slotsSection } from '../patch/index.ts';
import { type CachedModule, forgetCached, prepareCachedSync, prepareUncached } from '../prepare/cache.ts';
import { buildIdSection, engine } from '../wasm/index.ts';
import type { Config } from './config.ts';
import { callerName, whyLeft } from './selection.ts';

/** An instance of a prepared module that the program has made. */
export interface Born {
  readonly instance: WebAssembly.Instance;
  readonly module: WebAssembly.Module;
  readonly imports: WebAssembly.Imports;
  readonly options: { readonly name?: string };
}

/** A module on its way to the engine. */
export interface Loading {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The engine took it. */
  accepted(module: WebAssembly.Module): void;
  /** The engine did not: the original is compiled instead. */
  refused(cause: unknown): void;
}

/** What was done with one module, for `--explain`. */
export interface Decision {
  readonly name: string;
  readonly sizeBytes: number;
  readonly outcome: 'prepared' | 'left' | 'unprepared';
  /** `made`, `hit` or `unkept` of the cache; or why it is not prepared. */
  readonly how: string;
  readonly elapsedMs: number;
}

export interface LoaderOptions {
  readonly config: Config;
  readonly warn: (message: string) => void;
  /** Takes in an instance, before the program has it. */
  readonly adopt: (born: Born) => void;
  /** Where it is there, modules are only looked at. */
  readonly explain?: (decision: Decision) => void;
}

export class Loader {
  readonly #options: LoaderOptions;
  readonly #names = new WeakMap<WebAssembly.Module, string>();
  readonly #prepared = new WeakMap<WebAssembly.Module, boolean>();
  /** Which build has a name: modules of one package are told apart by their hash. */
  readonly #taken = new Map<string, string>();
  readonly #warned = new Set<string>();

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** Undefined where the module is to be compiled as it is. */
  load(source: unknown, caller: string | undefined = callerName()): Loading | undefined {
    const bytes = bytesOf(source);
    if (bytes === undefined || !isWasm(bytes)) return undefined;
    const began = performance.now();
    const name = caller ?? 'module';
    const decide = (outcome: Decision['outcome'], how: string): void =>
      this.#options.explain?.({
        name,
        sizeBytes: bytes.length,
        outcome,
        how,
        elapsedMs: performance.now() - began,
      });
    try {
      let hash: string | undefined;
      const sha256 = (): string => {
        hash ??= createHash('sha256').update(bytes).digest('hex');
        return hash;
      };
      const reason = whyLeft({ name: caller, sizeBytes: bytes.length, sha256 }, this.#options.config);
      if (reason !== undefined) return void decide('left', reason);
      const prepared = this.#prepare(bytes);
      if (prepared === undefined) return void decide('left', 'no function of it can have a slot');
      decide('prepared', prepared.cache);
      if (this.#options.explain !== undefined) return undefined;
      return this.#loading(name, bytes.length, prepared);
    } catch (cause) {
      if (WgraftError.is(cause, 'WGRAFT_ERR_ALREADY_PREPARED'))
        return void decide('left', 'it has slots already');
      // What the engine refuses, too, is the program's business.
      if (!engine.validate(bytes)) return void decide('left', 'the engine refuses it');
      decide('unprepared', messageOf(cause));
      this.#warnOfModule(name, bytes.length, cause);
      return undefined;
    }
  }

  #prepare(bytes: Uint8Array): CachedModule | undefined {
    const { slots, cache } = this.#options.config;
    const how = slots === undefined ? {} : { slots };
    if (cache !== undefined) {
      const made = prepareCachedSync(bytes, { ...how, ...cache });
      if (made?.cache === 'unkept')
        this.#warnOnce(
          `prepared modules cannot be kept in the cache: ${made.reason} (${made.file})`,
          'cache',
        );
      return made;
    }
    const made = prepareUncached(bytes, how);
    return made && { bytes: made.bytes, cache: 'made', file: '' };
  }

  #loading(name: string, sizeBytes: number, prepared: CachedModule): Loading {
    return {
      bytes: prepared.bytes,
      accepted: (module) => void this.#names.set(module, name),
      refused: (cause) => {
        forgetCached(prepared);
        this.#warnOfModule(name, sizeBytes, cause);
      },
    };
  }

  /** Takes in an instance that the program has made, if it is one of a prepared module. */
  adopt(instance: WebAssembly.Instance, module: WebAssembly.Module, imports: unknown): void {
    try {
      if (!this.isPrepared(module)) return;
      const name = this.#nameOf(module);
      this.#options.adopt({
        instance,
        module,
        imports: (imports ?? {}) as WebAssembly.Imports, // the engine has taken them
        options: name === undefined ? {} : { name },
      });
    } catch (cause) {
      this.#warnOnce(`an instance cannot be patched: ${messageOf(cause)}`, messageOf(cause));
    }
  }

  /** Whose code is running: where a module comes from, for `load` at a later time. */
  caller(): string | undefined {
    return callerName();
  }

  /** The sections of a name that the program's own module has; undefined where those of the prepared one are the same. */
  originalSections(module: WebAssembly.Module, name: string): ArrayBuffer[] | undefined {
    if (!this.isPrepared(module)) return undefined;
    if (name === slotsSection || name === originalSection) return [];
    const changed = engine.customSections(module, originalSection).at(-1);
    if (changed === undefined) return undefined;
    try {
      const sections = readOriginalSections(new Uint8Array(changed)).get(name);
      const prepared = sections && engine.customSections(module, name);
      return sections?.map((steps, i) => follow(steps, new Uint8Array(prepared?.[i] ?? [])).buffer);
    } catch {
      return undefined; // it says nothing that can be read
    }
  }

  isPrepared(module: WebAssembly.Module): boolean {
    const known = this.#prepared.get(module) ?? engine.customSections(module, slotsSection).length > 0;
    this.#prepared.set(module, known);
    return known;
  }

  /** A module from another thread has no name here: whoever instantiates it gives it one. */
  #nameOf(module: WebAssembly.Module): string | undefined {
    const name = this.#names.get(module) ?? callerName();
    if (name === undefined || name === 'module') return undefined;
    const [section] = engine.customSections(module, buildIdSection);
    const id = section === undefined ? '' : Buffer.from(new Uint8Array(section)).toString('hex').slice(2);
    const taken = this.#taken.get(name) ?? id;
    if (taken !== id) return `${name}~${id.slice(0, 6)}`;
    this.#taken.set(name, id);
    return name;
  }

  #warnOfModule(name: string, sizeBytes: number, cause: unknown): void {
    const what = `${name} (${sizeBytes} bytes) runs unprepared and cannot be patched: ${messageOf(cause)}`;
    this.#warnOnce(what, what);
  }

  #warnOnce(message: string, key: string): void {
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#options.warn(message);
  }
}

/** The bytes of a BufferSource that the engine would read now; shared ones can change while they are read. */
function bytesOf(source: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (!ArrayBuffer.isView(source) || !(source.buffer instanceof ArrayBuffer)) return undefined;
  return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

/** `\0asm`, version 1; a component is none. */
function isWasm(bytes: Uint8Array): boolean {
  return [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, i) => bytes[i] === byte);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error && !('code' in cause && 'errno' in cause) ? cause.message : reasonOf(cause);
}
