// Drop-in `WebAssembly.instantiate`: same arguments, same shape of result, and the instance can be patched from then on.

import { WgraftError } from '../errors.ts';
import { type InstanceHandle, Patcher } from '../runtime/index.ts';
import { engine } from '../wasm/index.ts';

export interface InstantiateOptions {
  /** What the program is called in `status`; default: `wasm-` and the start of its build id. */
  readonly name?: string;
  /** Default: the patcher that all of this thread shares, `defaultPatcher`. */
  readonly patcher?: Patcher;
}

/** What `WebAssembly.instantiate` gives for bytes, and a handle. */
export interface Instantiated extends WebAssembly.WebAssemblyInstantiatedSource {
  readonly wgraft: InstanceHandle;
}

/** The patcher that `instantiate` uses where no other is given. */
export const defaultPatcher: Patcher = new Patcher();

/**
 * Instantiates a prepared module, given as bytes or compiled, with all patches that its program has.
 * For a compiled module too, the result has `module` and `instance`.
 * @throws WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_STAGE_FAILED, and whatever `WebAssembly.instantiate` throws
 */
export async function instantiate(
  source: BufferSource | WebAssembly.Module,
  imports: WebAssembly.Imports = {},
  options: InstantiateOptions = {},
): Promise<Instantiated> {
  const module = source instanceof WebAssembly.Module ? source : await engine.compile(source);
  if (engine.customSections(module, 'wgraft.slots').length === 0) {
    throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: options.name ?? 'the module' });
  }
  const instance = await engine.instantiate(module, imports);
  const patcher = options.patcher ?? defaultPatcher;
  const named = options.name === undefined ? {} : { name: options.name };
  return { module, instance, wgraft: patcher.adopt(instance, module, imports, named) };
}
