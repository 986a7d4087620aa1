// One instance of a prepared module: what a task is to Linux. Knows which patches it has staged, which of them its slot
// words follow, and whether some functions are active on its stack.

import { WgraftError } from '../errors.ts';
import { reservedPrefix, showFunction } from '../patch/index.ts';
import type { FuncIndex, SlotIndex } from '../wasm/index.ts';
import { canSeeFrames, type Frame, wasmFrames } from './activeness.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';
import { SlotTable } from './slot-table.ts';
import { type Reservation, type StagedPatch, stagePatch } from './stage.ts';
import { countActivations, isSuspended } from './suspension.ts';

/** What is on an instance's stack that a transition must wait for. */
export interface Activity {
  readonly functions: readonly string[];
  /** Outermost first. */
  readonly stack: readonly string[];
}

export class Instance {
  readonly id: number;
  readonly program: Program;
  readonly slots: SlotTable;
  /** The universe that its slot words belong to. */
  universe = 0;
  /** Why it could not switch at the last look, and since when. */
  waiting: { readonly activity: Activity; readonly since: number } | undefined;

  readonly #instance: WebAssembly.Instance;
  readonly #imports: WebAssembly.Imports;
  readonly #staged = new Map<string, StagedPatch>();
  readonly #reservations = new Map<string, Reservation>();
  readonly #addresses = new Map<FuncIndex, number>();

  /** @throws WGRAFT_ERR_NOT_PREPARED */
  constructor(id: number, program: Program, instance: WebAssembly.Instance, imports: WebAssembly.Imports) {
    const slots = SlotTable.of(instance.exports);
    if (slots === undefined)
      throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: `an instance of "${program.name}"` });
    this.id = id;
    this.program = program;
    this.slots = slots;
    this.#instance = instance;
    this.#imports = imports;
    hideReserved(instance);
    countActivations(instance);
  }

  /** Makes a patch ready here; again and again is fine. @throws WGRAFT_ERR_STAGE_FAILED */
  stage(patch: LoadedPatch): void {
    if (this.#staged.has(patch.id)) return;
    const reservation = this.#reservations.get(patch.id) ?? {};
    this.#reservations.set(patch.id, reservation);
    this.#staged.set(patch.id, stagePatch(this, patch, reservation));
  }

  /** Takes a staged patch down that no slot word follows. Its memory stays reserved: the program may point into it. */
  unstage(patch: LoadedPatch): void {
    const staged = this.#staged.get(patch.id);
    if (staged === undefined) return;
    this.#staged.delete(patch.id);
    this.slots.remove([...staged.entryOfSlot.values()]);
  }

  /**
   * Commit: one synchronous turn that lets `slots` follow the topmost patch of `stack` that replaces them.
   * Every patch of the stack must be staged. Cannot fail.
   */
  commit(slots: Iterable<SlotIndex>, stack: readonly LoadedPatch[], universe: number): void {
    for (const slot of slots) {
      const top = stack.findLast((patch) => patch.bySlot.has(slot));
      const staged = top === undefined ? undefined : this.#staged.get(top.id);
      this.slots.write(slot, staged?.entryOfSlot.get(slot) ?? 0);
    }
    this.slots.clearBypass();
    this.universe = universe;
    this.waiting = undefined;
  }

  /**
   * Activeness check: is any version of the functions behind `slots`, or anything of `patch`, on this instance's stack?
   * A suspended activation (JSPI) can hold any function, and in a program with try blocks not all that are active can be
   * seen: there every function counts (leave-kernel).
   * @param fresh the caller knows that no frame can be below it (a fresh turn of the event loop).
   */
  activity(slots: ReadonlySet<SlotIndex>, patch: LoadedPatch, fresh: boolean): Activity | undefined {
    if (isSuspended(this.#instance)) return { functions: ['(suspended)'], stack: [] };
    if (!canSeeFrames()) return fresh ? undefined : { functions: [], stack: [] };
    const frames = wasmFrames().flatMap((frame) => this.#locate(frame) ?? []);
    // V8 lists no function that it inlined into a try block, but always the one it inlined it into.
    const incomplete =
      this.program.map.tryBlocks || [...this.#staged.values()].some((s) => s.patch.tryBlocks);
    const changed = frames.filter(
      (f) => incomplete || f.patch === patch.id || (f.slot !== undefined && slots.has(f.slot)),
    );
    if (changed.length === 0) return undefined;
    const functions = [...new Set(changed.map((f) => f.name))];
    return { functions, stack: frames.map((f) => f.name).reverse() };
  }

  /** Is the program's memory allocator itself on the stack? Then it must not be called again from here. */
  isAllocating(allocator: FuncIndex): boolean {
    if (!canSeeFrames()) return false;
    return wasmFrames().some((frame) => {
      if (frame.instance !== this.#instance) return false;
      return frame.func === allocator || /alloc|free|sbrk|resize_heap/.test(this.program.nameOf(frame.func));
    });
  }

  /** Where a program function stands in the program's table 0; it is put at its end if it stands nowhere. */
  addressOf(index: FuncIndex): number {
    const known = this.#addresses.get(index);
    if (known !== undefined) return known;
    const table = this.slots.reserved('table', 0);
    if (!(table instanceof WebAssembly.Table))
      throw new RangeError('the program has no table for function addresses');
    const wanted = this.slots.functionAt(index);
    let address = 0;
    while (address < table.length && table.get(address) !== wanted) address += 1;
    if (address === table.length) table.grow(1, wanted);
    this.#addresses.set(index, address);
    return address;
  }

  /** What the host gave the instance under this import name. */
  hostImport(module: string, name: string): WebAssembly.ImportValue | undefined {
    return this.#imports[module]?.[name];
  }

  /** A frame of this instance or of a patch in it; undefined for another instance's. */
  #locate(
    frame: Frame,
  ): { name: string; slot: SlotIndex | undefined; patch: string | undefined } | undefined {
    if (frame.instance === this.#instance) {
      const slot = this.program.function(frame.func)?.slot;
      return { name: this.program.nameOf(frame.func), slot, patch: undefined };
    }
    for (const { instance, patch } of this.#staged.values()) {
      if (frame.instance !== instance) continue;
      const slot = patch.slotOfFunction.get(frame.func);
      const replaced = slot === undefined ? undefined : patch.bySlot.get(slot);
      const name = replaced === undefined ? `wasm-function[${frame.func}]` : showFunction(replaced);
      return { name: `${patch.manifest.name}:${name}`, slot, patch: patch.id };
    }
    return undefined;
  }
}

/**
 * Programs that walk over their exports (Emscripten's dynamic linker) must not meet ours: the instance shows the others only.
 * The functions themselves are the very same objects.
 */
function hideReserved(instance: WebAssembly.Instance): void {
  const shown: Record<string, WebAssembly.ExportValue> = Object.create(null) as Record<
    string,
    WebAssembly.ExportValue
  >;
  for (const [name, value] of Object.entries(instance.exports)) {
    if (!name.startsWith(reservedPrefix)) shown[name] = value;
  }
  Object.defineProperty(instance, 'exports', {
    value: Object.freeze(shown),
    configurable: true,
    enumerable: false,
  });
}
