// Drop-in `WebAssembly.instantiate`: same arguments, same shape of result, and the instance can be patched from then on.

import { WgraftError } from '../errors.ts';
import { defaultPatcher, type InstanceHandle, type Patcher } from '../runtime/index.ts';
import { engine } from '../wasm/index.ts';
import { Attention, wantsAttention } from './attention.ts';
import { withSafePoints } from './safe-point.ts';

/** The engine's own options (`builtins`, `importedStringConstants`, for bytes only), and wgraft's. */
export interface InstantiateOptions extends WebAssembly.WebAssemblyCompileOptions {
  /** What the program is called in `status`; default: `wasm-` and the start of its build id. */
  readonly name?: string;
  /** Default: the patcher that all of this thread shares, `defaultPatcher`. */
  readonly patcher?: Patcher;
}

/** What `WebAssembly.instantiate` gives for bytes, and a handle. */
export interface Instantiated extends WebAssembly.WebAssemblyInstantiatedSource {
  readonly wgraft: InstanceHandle;
}

/**
 * Instantiates a prepared module, given as bytes or compiled, with all patches that its program has.
 * For a compiled module too, the result has `module` and `instance`. A program that imports `env.wgraft_safe_point` gets it.
 * @throws WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_STAGE_FAILED, and whatever `WebAssembly.instantiate` throws
 */
export async function instantiate(
  source: BufferSource | WebAssembly.Module,
  imports: WebAssembly.Imports = {},
  options: InstantiateOptions = {},
): Promise<Instantiated> {
  const module = source instanceof WebAssembly.Module ? source : await engine.compile(source, options);
  if (engine.customSections(module, 'wgraft.slots').length === 0) {
    throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: options.name ?? 'the module' });
  }
  const patcher = options.patcher ?? defaultPatcher;
  const given = wantsAttention(module) ? new Attention().give(imports) : imports;
  const safePoints = withSafePoints(module, given, patcher);
  const instance = await engine.instantiate(module, safePoints.imports);
  safePoints.bind(instance);
  const named = options.name === undefined ? {} : { name: options.name };
  return { module, instance, wgraft: patcher.adopt(instance, module, safePoints.imports, named) };
}
