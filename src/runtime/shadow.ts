// Shadow variables: data attached to an object of the program, by the object's address and an id, as livepatch has them. An
// instance has one store, which all patches and the host share; what is in it stays until it is freed, whatever becomes of
// the patch that put it there.
//
// A constructor or destructor that throws or traps does so to its caller, with the store in order: what was being made is not
// there, what was being freed is gone.

import { WgraftError } from '../errors.ts';
import { type Allocator, namedAllocator, type ShadowOperation, type SlotMap } from '../patch/index.ts';
import { type Heap, heapOf } from './heap.ts';
import type { SlotTable } from './slot-table.ts';

/** Fills new data, which is zero; to return anything but 0 or nothing means that it is not to be stored. */
export type ShadowCtor = (object: number, data: number) => unknown;
export type ShadowDtor = (object: number, data: number) => unknown;

interface Variable {
  readonly object: number;
  readonly id: number;
  /** Address in the program's memory. */
  readonly data: number;
  readonly sizeBytes: number;
  readonly heap: Heap;
  /** False while its constructor runs: nobody sees it, but its place is taken. */
  ready: boolean;
}

/** Objects and data are addresses in the program's memory, 0 is none; ids are u32. */
export class ShadowVariables {
  readonly #slots: SlotTable;
  readonly #map: () => SlotMap;
  readonly #byId = new Map<number, Map<number, Variable>>();
  readonly #heaps = new Map<string, Heap>();
  readonly #warned = new Set<number>();

  /** `map` is asked only when the host allocates before any patch has. */
  constructor(slots: SlotTable, map: () => SlotMap) {
    this.#slots = slots;
    this.#map = map;
  }

  /** The data that `object` has under `id`, 0 for none. */
  get(object: number, id: number): number {
    const found = this.#find(object, id);
    return found?.ready === true ? found.data : 0;
  }

  /**
   * Attaches new data. 0 where nothing was stored: there is some already (which is warned of), no memory, or the constructor refused.
   * Not for a host function that the program's allocator itself calls: it would be entered twice.
   * @throws WGRAFT_ERR_OPTION_INVALID, WGRAFT_ERR_NO_ALLOCATOR; what the constructor throws
   */
  alloc(object: number, id: number, sizeBytes: number, ctor?: ShadowCtor): number {
    checkSize(sizeBytes);
    return this.#alloc({ object, id, sizeBytes }, () => this.#hostHeap(), ctor ?? nothing);
  }

  /** The data that is there, or new data as from `alloc`: only then the constructor runs. @throws as `alloc` */
  getOrAlloc(object: number, id: number, sizeBytes: number, ctor?: ShadowCtor): number {
    return this.get(object, id) || this.alloc(object, id, sizeBytes, ctor);
  }

  /** Frees what `object` has under `id`, if anything. @throws what the destructor throws */
  free(object: number, id: number, dtor: ShadowDtor = nothing): void {
    const found = this.#find(object, id);
    if (found?.ready === true) this.#release(found, dtor);
  }

  /**
   * Frees what all objects have under `id`, oldest first.
   * @throws what the destructor throws; the rest is still there then
   */
  freeAll(id: number, dtor: ShadowDtor = nothing): void {
    // A destructor may free and allocate others.
    for (const variable of [...(this.#byId.get(id >>> 0)?.values() ?? [])])
      if (variable.ready && this.#find(variable.object, id) === variable) this.#release(variable, dtor);
  }

  /** One of these operations as a patch imports it. `allocator` is its manifest's; one that allocates has it. */
  imported(
    operation: ShadowOperation,
    allocator: Allocator | undefined,
  ): (...args: readonly number[]) => number | undefined {
    const heap = allocator === undefined ? undefined : this.#heap(allocator);
    const alloc = ([object = 0, id = 0, size = 0, ctor = 0, argument = 0]: readonly number[]): number => {
      const construct = this.#function(ctor, 3);
      return this.#alloc(
        { object, id, sizeBytes: size >>> 0 },
        () => heap ?? this.#hostHeap(),
        (o, data) => construct(o, data, argument),
      );
    };
    switch (operation) {
      case 'get':
        return (object = 0, id = 0) => this.get(object, id);
      case 'alloc':
        return (...args) => alloc(args);
      case 'getOrAlloc':
        return (...args) => this.get(args[0] ?? 0, args[1] ?? 0) || alloc(args);
      case 'free':
        return (object = 0, id = 0, dtor = 0) => {
          this.free(object, id, this.#function(dtor, 2));
          return undefined;
        };
      case 'freeAll':
        return (id = 0, dtor = 0) => {
          this.freeAll(id, this.#function(dtor, 2));
          return undefined;
        };
    }
  }

  #find(object: number, id: number): Variable | undefined {
    return this.#byId.get(id >>> 0)?.get(object >>> 0);
  }

  #alloc(
    wanted: Pick<Variable, 'object' | 'id' | 'sizeBytes'>,
    heap: () => Heap,
    construct: ShadowCtor,
  ): number {
    const [object, id] = [wanted.object >>> 0, wanted.id >>> 0];
    if (this.#find(object, id) !== undefined) {
      this.#warn(object, id);
      return 0;
    }
    const from = heap();
    const sizeBytes = Math.max(wanted.sizeBytes, 1); // data of no bytes has an address too
    const data = from.allocate(sizeBytes);
    if (data === 0) return 0;
    const variable: Variable = { object, id, data, sizeBytes, heap: from, ready: false };
    this.#store(variable);
    try {
      this.#clear(data, sizeBytes);
      variable.ready = accepts(construct(object, data));
    } finally {
      if (!variable.ready) this.#release(variable, nothing);
    }
    return variable.ready ? data : 0;
  }

  #store(variable: Variable): void {
    const known = this.#byId.get(variable.id) ?? new Map<number, Variable>();
    this.#byId.set(variable.id, known.set(variable.object, variable));
  }

  /** First out of the store, so that the destructor does not meet it there and a trap leaves nothing half freed. */
  #release({ object, id, data, sizeBytes, heap }: Variable, dtor: ShadowDtor): void {
    const ofId = this.#byId.get(id);
    ofId?.delete(object);
    if (ofId?.size === 0) this.#byId.delete(id);
    try {
      dtor(object, data);
    } finally {
      heap.free(data, sizeBytes);
    }
  }

  #clear(data: number, sizeBytes: number): void {
    const memory = this.#slots.reserved('memory', 0);
    if (memory instanceof WebAssembly.Memory) new Uint8Array(memory.buffer, data, sizeBytes).fill(0);
  }

  #heap(allocator: Allocator): Heap {
    const key = allocator.kind === 'grow' ? 'grow' : `${allocator.index} ${allocator.free}`;
    const heap = this.#heaps.get(key) ?? heapOf(this.#slots, allocator);
    this.#heaps.set(key, heap);
    return heap;
  }

  /** What the first patch with shadow variables said, else the program's own malloc. */
  #hostHeap(): Heap {
    const [first] = this.#heaps.values();
    if (first !== undefined) return first;
    const { functions } = this.#map();
    const allocator = namedAllocator((name, type) => {
      const [found, ...others] = functions.filter((f) => f.name === name);
      return others.length === 0 && found?.type === type ? found.index : undefined;
    });
    if (allocator !== undefined) return this.#heap(allocator);
    const reason = 'it has no allocator with a known name, and no patch with shadow variables says more';
    throw new WgraftError('WGRAFT_ERR_NO_ALLOCATOR', { sizeBytes: 0, reason });
  }

  /** A function pointer of the program; 0 is a function that does nothing. A wrong one traps, as it does in a `call_indirect`. */
  #function(index: number, parameters: number): (...args: readonly number[]) => unknown {
    if (index === 0) return nothing;
    const table = this.#slots.reserved('table', 0);
    const known = table instanceof WebAssembly.Table && index >>> 0 < table.length;
    const found: unknown = known ? table.get(index >>> 0) : undefined;
    if (typeof found === 'function' && found.length === parameters)
      return found as (...args: readonly number[]) => unknown; // a function of the program's table: numbers in and out
    throw new WebAssembly.RuntimeError(
      `table entry ${index >>> 0} is no function of ${parameters} parameters for a shadow variable`,
    );
  }

  /** Once an id: a patch may do it in a loop. */
  #warn(object: number, id: number): void {
    if (this.#warned.has(id)) return;
    this.#warned.add(id);
    process.emitWarning(`object 0x${object.toString(16)} has a shadow variable ${id} already`, {
      type: 'WgraftWarning',
      code: 'WGRAFT_WARN_SHADOW_EXISTS',
      detail: 'said once for each id; use get_or_alloc where that is meant',
    });
  }
}

function nothing(): undefined {}

function accepts(answer: unknown): boolean {
  return answer === 0 || answer === undefined;
}

function checkSize(sizeBytes: number): void {
  if (Number.isInteger(sizeBytes) && sizeBytes >= 0 && sizeBytes <= 0xffffffff) return;
  const reason = `${sizeBytes} is not a number of bytes`;
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'sizeBytes', reason });
}
