// Is a module a WASI preview 1 command that can be run here? Asked before it is instantiated, since that may run code.

import { WgraftError } from '../../errors.ts';
import { engine } from '../../wasm/index.ts';

/** @throws WGRAFT_ERR_NOT_A_COMMAND */
export function refuseNonCommand(module: WebAssembly.Module, program: string): void {
  const kinds = new Map(engine.exports(module).map((e) => [e.name, e.kind]));
  const refuse = (reason: string): never => {
    throw new WgraftError('WGRAFT_ERR_NOT_A_COMMAND', { program, reason });
  };
  if (kinds.has('_initialize')) refuse('it exports "_initialize", as libraries (WASI reactors) do');
  if (kinds.get('_start') !== 'function') refuse('it exports no function "_start"');
  if (kinds.get('memory') !== 'memory') refuse('it exports no memory called "memory"');
}

/** The imports that `given` has no value for, as `module.name (kind)`. */
export function missingImports(
  module: WebAssembly.Module,
  given: Readonly<Record<string, object>>,
): string[] {
  return engine
    .imports(module)
    .filter((i) => i.kind !== 'function' || !Object.hasOwn(given[i.module] ?? {}, i.name))
    .map((i) => `${i.module}.${i.name} (${i.kind})`);
}
