// Memory of the program for things that come and go, from the allocator that a manifest names. Where nothing takes memory
// back (added pages, a malloc without a free), what is freed is kept for the next one that asks.

import type { Allocator } from '../patch/index.ts';
import type { FuncIndex } from '../wasm/index.ts';
import type { SlotTable } from './slot-table.ts';

export interface Heap {
  /** The address of so many bytes, of any content; 0 if there are none. */
  allocate(sizeBytes: number): number;
  free(address: number, sizeBytes: number): void;
}

interface Area {
  readonly start: number;
  readonly end: number;
}

const pageBytes = 65536;
const alignBytes = 16;

export function heapOf(slots: SlotTable, allocator: Allocator): Heap {
  if (allocator.kind === 'grow') return new FreeList((sizeBytes) => grow(slots, sizeBytes));
  const malloc = callable(slots, allocator.index);
  if (allocator.free !== undefined) {
    const free = callable(slots, allocator.free);
    return { allocate: malloc, free: (address) => void free(address) };
  }
  return new FreeList((sizeBytes) => {
    const start = malloc(sizeBytes + alignBytes);
    return start === 0 ? undefined : { start, end: start + sizeBytes + alignBytes };
  });
}

function callable(slots: SlotTable, index: FuncIndex): (argument: number) => number {
  const f = slots.functionAt(index);
  return (argument) => {
    const result: unknown = typeof f === 'function' ? f(argument) : 0;
    return typeof result === 'number' ? result >>> 0 : 0;
  };
}

function grow(slots: SlotTable, sizeBytes: number): Area | undefined {
  const memory = slots.reserved('memory', 0);
  if (!(memory instanceof WebAssembly.Memory)) return undefined;
  const pages = Math.ceil(sizeBytes / pageBytes);
  try {
    const start = memory.grow(pages) * pageBytes;
    return { start, end: start + pages * pageBytes };
  } catch {
    return undefined; // at its maximum: as a malloc that has no more
  }
}

/** First fit; neighbours that are free become one. Its records are outside the program's memory, where no bug of it can reach. */
class FreeList implements Heap {
  /** In the order of their addresses, none touching the next. */
  readonly #free: Area[] = [];
  readonly #more: (sizeBytes: number) => Area | undefined;

  constructor(more: (sizeBytes: number) => Area | undefined) {
    this.#more = more;
  }

  allocate(sizeBytes: number): number {
    const wanted = roundUp(Math.max(sizeBytes, 1));
    const known = this.#take(wanted);
    if (known !== 0) return known;
    const area = this.#more(wanted);
    if (area === undefined) return 0;
    this.#add({ start: roundUp(area.start), end: area.end - (area.end % alignBytes) });
    return this.#take(wanted);
  }

  free(address: number, sizeBytes: number): void {
    this.#add({ start: address, end: address + roundUp(Math.max(sizeBytes, 1)) });
  }

  #take(wanted: number): number {
    const at = this.#free.findIndex(({ start, end }) => end - start >= wanted);
    const area = this.#free[at];
    if (area === undefined) return 0;
    const rest = { start: area.start + wanted, end: area.end };
    this.#free.splice(at, 1, ...(rest.start < rest.end ? [rest] : []));
    return area.start;
  }

  #add({ start, end }: Area): void {
    const found = this.#free.findIndex((area) => area.start >= end);
    const next = found === -1 ? this.#free.length : found;
    const [before, after] = [this.#free[next - 1], this.#free[next]];
    const joinsBefore = before?.end === start;
    const joinsAfter = after?.start === end;
    const whole = { start: joinsBefore ? before.start : start, end: joinsAfter ? after.end : end };
    this.#free.splice(next - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), whole);
  }
}

function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / alignBytes) * alignBytes;
}
