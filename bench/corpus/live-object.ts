// Objects that live across a transition: begun by one version of the code and finished by the other. The drivers free theirs
// before they return, so without these no entry shows what a changed struct layout does to a program's data.

import type { Patcher } from '../../src/index.ts';
import { readSlotMap, slotsSection } from '../../src/patch/index.ts';
import { runRaw } from './program.ts';

type Call = (...args: readonly number[]) => number;

/** A kind of object: which functions make and use it, and what the first and second half of its life are. */
export interface LiveKind {
  readonly what: string;
  readonly functions: readonly string[];
  /** Begins an object; what it returns finishes it, and says what is wrong, undefined if nothing is. */
  begin(program: Calls): () => string | undefined;
}

/** The program as such an object sees it. */
export class Calls {
  readonly #exports: WebAssembly.Exports;
  readonly #functions: ReadonlyMap<string, Call>;

  constructor(exports: WebAssembly.Exports, functions: ReadonlyMap<string, Call>) {
    this.#exports = exports;
    this.#functions = functions;
  }

  call(name: string, ...args: readonly number[]): number {
    const found = this.#functions.get(name) ?? this.#exports[name];
    if (typeof found !== 'function') throw new Error(`the module has no function "${name}"`);
    return Number(found(...args));
  }

  /** Takes memory of the program and fills it: with these bytes, or so many zeros. */
  place(content: Uint8Array | number): number {
    const bytes = typeof content === 'number' ? new Uint8Array(content) : content;
    const address = this.call('malloc', bytes.length);
    this.bytes(address, bytes.length).set(bytes);
    return address;
  }

  bytes(address: number, size: number): Uint8Array {
    const { memory } = this.#exports;
    if (!(memory instanceof WebAssembly.Memory)) throw new Error('the module exports no memory');
    return new Uint8Array(memory.buffer, address, size);
  }

  view(address: number, size: number): DataView {
    const { buffer, byteOffset } = this.bytes(address, size);
    return new DataView(buffer, byteOffset, size);
  }
}

export interface LiveObject {
  /** What is wrong with it, undefined if nothing is. */
  finish(): string | undefined;
}

/**
 * Begins an object on an instance of its own, which the patcher takes in. Undefined where the module has no such objects, and
 * where their functions have no slots: the program then has no way into them but through functions that have one.
 */
export async function beginObject(
  kinds: readonly LiveKind[],
  module: WebAssembly.Module,
  { patcher, name }: { readonly patcher: Patcher; readonly name: string },
): Promise<LiveObject | undefined> {
  const slots = slottedFunctions(module);
  const kind = kinds.find(({ functions }) => functions.every((f) => slots.has(f)));
  if (kind === undefined) return undefined;
  const { instance, imports } = await runRaw(module);
  // Taken before the patcher hides the reserved names.
  const { exports } = instance;
  patcher.adopt(instance, module, imports, { name });
  const functions = new Map(kind.functions.map((f) => [f, callable(exports, slots.get(f) ?? 0)]));
  let finish: (() => string | undefined) | undefined;
  const fault = attempt(() => {
    finish = kind.begin(new Calls(exports, functions));
    return undefined;
  });
  const told = (what: string | undefined): string | undefined =>
    what === undefined ? undefined : `${kind.what}: ${what}`;
  return { finish: () => told(fault ?? (finish === undefined ? undefined : attempt(finish))) };
}

function slottedFunctions(module: WebAssembly.Module): Map<string, number> {
  const [section] = WebAssembly.Module.customSections(module, slotsSection);
  if (section === undefined) throw new Error('not a prepared module');
  const { functions } = readSlotMap(new Uint8Array(section));
  return new Map(
    functions.flatMap((f) =>
      f.slot === undefined || f.name === undefined ? [] : [[f.name, f.index] as const],
    ),
  );
}

/** A function that the module does not export, through the slot table: its slot redirects it as in any call. */
function callable(exports: WebAssembly.Exports, index: number): Call {
  const table = exports['__wgraft_slots'];
  const fill = exports['__wgraft_fill'];
  if (!(table instanceof WebAssembly.Table) || typeof fill !== 'function')
    throw new Error('the prepared module does not export its slot table');
  const place = table.grow(1);
  fill(place, index);
  return table.get(place);
}

/** A trap, or a result that cannot be read, is a fault as a wrong result is. */
function attempt(work: () => string | undefined): string | undefined {
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
