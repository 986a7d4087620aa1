// The host's side of modules that were prepared with attention: the word that their guards look at, and the function that they call
// when it is set. That call comes at the entry of a function, of which nothing has run yet.

import { attentionEntry, attentionImport, preparedExports } from '../patch/index.ts';
import { engine } from '../wasm/index.ts';

export class Attention {
  /** Word 0: not 0 calls the host at the next function entry. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });

  constructor() {
    this.words = new Int32Array(this.#memory.buffer as unknown as SharedArrayBuffer, 0, 1);
  }

  /** The imports with this word, for a module that wants one. */
  give(imports: WebAssembly.Imports): WebAssembly.Imports {
    const { module, name } = attentionImport;
    return { ...imports, [module]: { ...imports[module], [name]: this.#memory } };
  }

  /** Lets the instance's guards call `visit`, which must not throw. Before the patcher adopts it. */
  bind(instance: WebAssembly.Instance, visit: () => void): void {
    const table = instance.exports[preparedExports.slots];
    const called = (): void => {
      Atomics.store(this.words, 0, 0); // before the host looks at what there is: what comes then sets it again
      visit();
    };
    if (table instanceof WebAssembly.Table) table.set(attentionEntry, asWasm(called));
  }
}

/** Was it prepared with attention? */
export function wantsAttention(of: WebAssembly.Module): boolean {
  const { module, name } = attentionImport;
  return engine.imports(of).some((i) => i.module === module && i.name === name);
}

// (module (import "m" "f" (func)) (export "f" (func 0)))
const passing = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0,
]);

/** Tables take functions of Wasm modules only. */
function asWasm(f: () => void): unknown {
  const { exports } = new engine.Instance(new engine.Module(passing), { m: { f } });
  return exports['f'];
}
