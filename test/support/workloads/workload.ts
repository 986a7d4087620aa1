// What a workload is: a real program from npm (or one that a stock compiler made for the test) and its ordinary work.
// Tests and benches load it as its package would, with other bytes or another `instantiate` in place of the engine's.

type Bytes = Uint8Array<ArrayBuffer>;

/** How the Wasm of a program gets into the engine while it loads. */
export interface Loader {
  /** What the engine gets for the bytes that the program hands over. */
  readonly bytes: (original: Bytes) => Bytes;
  /** What the module gets for the imports that the program hands over. */
  readonly imports?: (imports: WebAssembly.Imports) => WebAssembly.Imports;
  /** What makes the instance of a module, in place of `WebAssembly.instantiate`. */
  readonly instantiate?: (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports | undefined,
  ) => Promise<WebAssembly.Instance>;
  /** What is told of an instance that the program made with `new WebAssembly.Instance`. */
  readonly adopt?: (
    instance: WebAssembly.Instance,
    module: WebAssembly.Module,
    imports: WebAssembly.Imports | undefined,
  ) => void;
}

/** A loaded program. */
export interface Running {
  /** One round of its ordinary work. The same `scale` gives the same digest, round after round. */
  work(scale?: number): Promise<string>;
}

export interface Workload {
  readonly name: string;
  /** What is special about its module: the compiler, the proposals it uses, how it is linked. */
  readonly traits: readonly string[];
  /** True where the program has a scheduler of its own that follows the clock: its stacks differ from run to run. */
  readonly followsClock?: boolean;
  /** Loads the program anew: nothing of an earlier load is seen. */
  start(loader: Loader): Promise<Running>;
  /** The same for a build of the program that has a name section, where there is one. */
  named?(loader: Loader): Promise<Running>;
}

/** The engine itself: what a program gets when nobody interferes. */
export const engine: Loader = { bytes: (original) => original };
