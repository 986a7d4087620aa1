// The import by which a program says that it may be switched now, Kitsune's update point: env.wgraft_safe_point(name), with the
// address of a C string. It is given to programs that want it and whose host does not bring its own.

import type { Patcher } from '../runtime/index.ts';
import { engine } from '../wasm/index.ts';

const module = 'env';
const name = 'wgraft_safe_point';

export interface SafePoints {
  readonly imports: WebAssembly.Imports;
  /** From now on, calls count for this instance. */
  bind(instance: WebAssembly.Instance): void;
}

/** `imports`, with the safe point where `of` wants one. */
export function withSafePoints(
  of: WebAssembly.Module,
  imports: WebAssembly.Imports,
  patcher: Patcher,
): SafePoints {
  let bound: WebAssembly.Instance | undefined;
  const bind = (instance: WebAssembly.Instance): void => {
    bound = instance;
  };
  const wants = engine.imports(of).some((i) => i.module === module && i.name === name);
  const given = imports[module];
  if (!wants || given?.[name] !== undefined) return { imports, bind };
  const safePoint = (address: number): void => {
    // A start function may come here before there is anything to switch.
    if (bound !== undefined) patcher.safePoint(bound, address);
  };
  return { imports: { ...imports, [module]: { ...given, [name]: safePoint } }, bind };
}
