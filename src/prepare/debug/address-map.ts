// Where code goes when a module is prepared. Addresses count from the start of the code section's payload, as those of DWARF
// do. Between two places where something is put in or taken out, everything moves by one distance: the map is the list of
// those places, in order.

import { Reader, sectionIds, skipLocals, u32Size, Writer } from '../../wasm/index.ts';
import { addedCount } from '../additions.ts';
import { writeBody } from '../code-section.ts';
import { type Job, writeEnd, writeStart } from '../job.ts';
import type { PlannedFunction } from '../plan.ts';

/** Code that moves as one. */
export interface Stretch {
  readonly start: number;
  /** Where it ends, exclusive. */
  readonly until: number;
  readonly shift: number;
}

/** What is no address of code; small numbers are faster than infinity. */
export const unmoved: Stretch = { start: 0, until: 0x7fffffff, shift: 0 };
const nowhere: Stretch = { start: 0, until: 0, shift: 0 };

export class AddressMap {
  /** Where the code section's payload starts in the kernel's file. */
  readonly origin: number;
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #first: number;
  readonly #last: number;
  readonly #guard = new Writer(64);
  /** What was asked for last: the next question is mostly about the same code. */
  #recent: Stretch = nowhere;
  #index = 0;

  constructor(job: Job) {
    const { m, plan, places } = job;
    this.origin = m.sections.find((s) => s.id === sectionIds.code)?.payload ?? 0;
    let at = u32Size(plan.functions.length + addedCount(plan, places.redirects.size));
    let sizeAt = firstSize(m.bytes, this.origin);
    for (const f of plan.functions) {
      this.#add(sizeAt, at);
      at = this.#addBody(job, f, at);
      sizeAt = f.body.end;
    }
    if (plan.functions.length > 0) this.#add(sizeAt, at);
    this.#first = this.#from[0] ?? Number.POSITIVE_INFINITY;
    this.#last = this.#from.at(-1) ?? -1;
  }

  /** The address in the prepared module. What is no address of code, as those of functions that the linker left out, stays. */
  of(address: number): number {
    const { start, until, shift } = this.#recent;
    return address >= start && address < until ? address + shift : address + this.stretch(address).shift;
  }

  /** The code that moves with what is at that address. */
  stretch(address: number): Stretch {
    if (!this.holds(address)) return unmoved;
    const i = this.#before(address);
    this.#index = i;
    const start = this.#from[i] ?? 0;
    const until = this.#from[i + 1] ?? address + 1;
    this.#recent = { start, until, shift: (this.#to[i] ?? 0) - start };
    return this.#recent;
  }

  /** Is it in a function, or right behind the last one? */
  holds(address: number): boolean {
    return address >= this.#first && address <= this.#last;
  }

  /** The size in the prepared module of a piece of code. */
  size(address: number, size: number): number {
    return this.holds(address) ? this.of(address + size) - this.of(address) : size;
  }

  #add(offset: number, to: number): void {
    this.#from.push(offset - this.origin);
    this.#to.push(to);
  }

  /** From `at`, where its size goes; returns where it ends. */
  #addBody(job: Job, f: PlannedFunction, at: number): number {
    const { start, end } = f.body;
    const moves: [from: number, to: number][] = [];
    let size: number;
    if (job.plan.fentry === undefined) {
      const code = skipLocals(job.m.bytes, f.body);
      const guard = writeStart(job, f, this.#guard.reset()).length;
      moves.push([code, code - start + guard]);
      size = end - 1 - start + writeEnd(job, f, this.#guard).length;
    } else {
      let shift = Number.NaN;
      size = writeBody(job, f, new Writer(end - start + 64), (from, to) => {
        if (to - from !== shift) moves.push([from, to]);
        shift = to - from;
      }).length;
    }
    const body = at + u32Size(size);
    this.#add(start, body);
    for (const [from, to] of moves) this.#add(from, body + to);
    return body + size;
  }

  /** The last place at or before the address, which is one that the map holds: often the one behind that of the last question. */
  #before(address: number): number {
    const next = this.#index + 1;
    if (address >= (this.#from[next] ?? address + 1) && address < (this.#from[next + 1] ?? 0)) return next;
    let low = 0;
    for (let high = this.#from.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((this.#from[middle] ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Where the size of the first body stands: behind their number. */
function firstSize(bytes: Uint8Array, origin: number): number {
  const r = new Reader(bytes, origin);
  r.skip64(false);
  return r.at;
}
