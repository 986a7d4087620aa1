// The engine's own WebAssembly functions. The register hook puts others in their place for the program; what wgraft itself
// compiles and asks must not come back to the hook, so it asks here. Where a hook is in already, another copy of the package
// put it there and left the engine's functions under a symbol.

type Static = typeof WebAssembly.Module;

export interface Engine {
  readonly Module: Static;
  readonly Instance: typeof WebAssembly.Instance;
  readonly compile: typeof WebAssembly.compile;
  readonly instantiate: typeof WebAssembly.instantiate;
  readonly validate: typeof WebAssembly.validate;
  readonly exports: Static['exports'];
  readonly imports: Static['imports'];
  readonly customSections: Static['customSections'];
}

const key = Symbol.for('wgraft.engine');

export const engine: Engine = (globalThis as { [key]?: Engine })[key] ?? {
  Module: WebAssembly.Module,
  Instance: WebAssembly.Instance,
  compile: WebAssembly.compile,
  instantiate: WebAssembly.instantiate,
  validate: WebAssembly.validate,
  exports: WebAssembly.Module.exports,
  imports: WebAssembly.Module.imports,
  customSections: WebAssembly.Module.customSections,
};

/** To be called before the first function is replaced. False where that was done before, by any copy of the package. */
export function keepEngine(): boolean {
  if (key in globalThis) return false;
  Object.defineProperty(globalThis, key, { value: engine });
  return true;
}
