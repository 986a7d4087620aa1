// One instance of a prepared module: what a task is to Linux. Knows which patches it has staged, which of them its slot
// words follow, and what of it is active: on the stack, suspended by JSPI, unwound by Asyncify.

import { WgraftError } from '../errors.ts';
import { reservedPrefix, showFunction } from '../patch/index.ts';
import type { FuncIndex, SlotIndex } from '../wasm/index.ts';
import { canSeeFrames, type Frame, wasmFrames } from './activeness.ts';
import { UnwoundStacks } from './asyncify.ts';
import { type CallbackName, type CallbackOutcome, callBack, isCallbackDue } from './callbacks.ts';
import type { Change } from './change.ts';
import type { Rule } from './consistency.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';
import { ShadowVariables } from './shadow.ts';
import { SlotTable } from './slot-table.ts';
import { type Reservation, type StagedPatch, stagePatch } from './stage.ts';
import { countFor, suspendedStacks } from './suspension.ts';

/** What of an instance a transition must wait for. */
export interface Activity {
  /**
   * Where that is: on the stack; put aside by JSPI or Asyncify; unseen, where something is under way that cannot be looked at;
   * or the program has not come to a safe point.
   */
  readonly state: 'running' | 'suspended' | 'unwound' | 'unseen' | 'no-safe-point';
  readonly functions: readonly string[];
  /** Outermost first. */
  readonly stack: readonly string[];
}

/** Makes the instance come by a migration point soon, where it sleeps. Must not throw. */
export type Wake = () => void;

/** A frame of an instance, or of a patch in it. */
interface Located {
  readonly name: string;
  readonly slot: SlotIndex | undefined;
  readonly patch: string | undefined;
}

interface Stack {
  readonly state: 'running' | 'suspended' | 'unwound';
  /** Innermost first. */
  readonly frames: readonly Located[];
}

export class Instance {
  readonly id: number;
  readonly program: Program;
  /** For whoever must not keep it alive. */
  readonly ref: WeakRef<Instance> = new WeakRef(this);
  readonly slots: SlotTable;
  readonly shadow: ShadowVariables;
  /** The universe that its slot words belong to. */
  universe = 0;
  /** Why it could not switch at the last look, and since when. */
  waiting: { readonly activity: Activity; readonly since: number } | undefined;
  /** The program is at a call of `wgraft_safe_point`, with this name. */
  safePoint: string | undefined;
  /** The innermost function is at its entry, of which nothing has run: it follows its slot when the host returns. */
  isAtEntry = false;
  readonly wake: Wake | undefined;

  readonly #instance: WebAssembly.Instance;
  readonly #imports: WebAssembly.Imports;
  readonly #staged = new Map<string, StagedPatch>();
  /** Patches that were taken down, for as long as something holds them: their functions may still be active. */
  #left: { readonly instance: WeakRef<WebAssembly.Instance>; readonly patch: LoadedPatch }[] = [];
  readonly #reservations = new Map<string, Reservation>();
  readonly #addresses = new Map<FuncIndex, number>();
  readonly #unwound = new UnwoundStacks();

  /** @throws WGRAFT_ERR_NOT_PREPARED */
  constructor(
    id: number,
    program: Program,
    instance: WebAssembly.Instance,
    imports: WebAssembly.Imports,
    wake?: Wake,
  ) {
    const slots = SlotTable.of(instance.exports);
    if (slots === undefined)
      throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what: `an instance of "${program.name}"` });
    this.id = id;
    this.program = program;
    this.slots = slots;
    this.shadow = new ShadowVariables(slots, () => program.map);
    this.#instance = instance;
    this.#imports = imports;
    this.wake = wake;
    countFor(instance, instance);
    hideReserved(instance, this.#unwound.watch(instance.exports));
  }

  /** Looks once whether the slots are there that the slot map promises. @throws RangeError */
  checkSlots(): void {
    if (this.#staged.size === 0) this.program.checkSlots(this.slots);
  }

  /** Makes a patch ready here; again and again is fine. @throws WGRAFT_ERR_STAGE_FAILED */
  stage(patch: LoadedPatch): void {
    if (this.#staged.has(patch.id)) return;
    const reservation = this.#reservations.get(patch.id) ?? {};
    this.#reservations.set(patch.id, reservation);
    const staged = stagePatch(this, patch, reservation);
    this.#staged.set(patch.id, staged);
    countFor(this.#instance, staged.instance);
  }

  /** Takes a staged patch down that no slot word follows. Its memory stays reserved: the program may point into it. */
  unstage(patch: LoadedPatch): void {
    const staged = this.#staged.get(patch.id);
    if (staged === undefined) return;
    this.#staged.delete(patch.id);
    this.slots.remove([...staged.entryOfSlot.values()]);
    const held = this.#left.filter((l) => l.instance.deref() !== undefined);
    this.#left = [...held, { instance: new WeakRef(staged.instance), patch }];
  }

  /**
   * Commit: one synchronous turn that lets `slots` follow the topmost patch of `stack` that replaces them.
   * Every patch of the stack must be staged. Cannot fail.
   */
  commit(slots: Iterable<SlotIndex>, stack: readonly LoadedPatch[], universe: number): void {
    for (const slot of slots) {
      const top = stack.findLast((patch) => patch.bySlot.has(slot));
      const staged = top === undefined ? undefined : this.#staged.get(top.id);
      const word = staged?.entryOfSlot.get(slot) ?? 0;
      const inTable = this.program.inTable(slot);
      if (inTable === undefined) this.slots.write(slot, word);
      else this.slots.writeTable(inTable, word);
    }
    this.universe = universe;
    this.waiting = undefined;
  }

  /** It cannot switch now. @returns false: it is not done. */
  waitFor(activity: Activity): false {
    this.waiting = { activity, since: this.waiting?.since ?? performance.now() };
    return false;
  }

  /** Is this callback of a patch that is staged here to be called: has its counterpart run? */
  isCallbackDue(patch: LoadedPatch, name: CallbackName): boolean {
    const staged = this.#staged.get(patch.id);
    return staged !== undefined && isCallbackDue(staged.callbacks, name);
  }

  /** Calls a callback; undefined where there is none. Never throws. */
  callBack(patch: LoadedPatch, name: CallbackName): CallbackOutcome | undefined {
    const staged = this.#staged.get(patch.id);
    return staged === undefined ? undefined : callBack(staged, name);
  }

  /**
   * Activeness check: what of this instance keeps it from switching under `rule`?
   * In a program with try blocks not all functions that are active can be seen: there every function counts.
   * @param fresh the caller knows that no frame can be below it (a fresh turn of the event loop).
   */
  activity(change: Change, rule: Rule, fresh: boolean): Activity | undefined {
    if (rule.leave === 'nothing') return undefined;
    if (rule.leave === 'safe-point' && this.safePoint !== undefined) return undefined;
    const stacks = this.#stacks(fresh);
    if (rule.leave === 'safe-point')
      return { state: 'no-safe-point', functions: [], stack: names(stacks?.[0]?.frames ?? []) };
    if (stacks === undefined) return { state: 'unseen', functions: [], stack: [] };
    for (const { state, frames } of stacks) {
      const active = rule.leave === 'kernel' ? frames : this.#changed(frames, change);
      if (active.length > 0)
        return { state, functions: [...new Set(active.map((f) => f.name))], stack: names(frames) };
    }
    return undefined;
  }

  /** What keeps a callback from running here now: a changed function on the stack, or the allocator, which it may want. */
  unrest(change: Change, fresh: boolean): Activity | undefined {
    if (fresh) return undefined;
    if (!canSeeFrames()) return { state: 'unseen', functions: [], stack: [] };
    const frames = this.#running();
    // At a safe point the program has said that its data is in order, whatever it runs.
    const changed = this.safePoint === undefined ? this.#changed(frames, change) : [];
    const inTheWay = [...changed, ...frames.filter((f) => allocatorName.test(f.name))];
    if (inTheWay.length === 0) return undefined;
    return {
      state: 'running',
      functions: [...new Set(inTheWay.map((f) => f.name))],
      stack: names(frames),
    };
  }

  /** What keeps `patch` from being staged here now: its callback may not run, or its memory not be asked for. */
  stagingUnrest({ manifest }: LoadedPatch, change: Change, fresh: boolean): Activity | undefined {
    const { memory, callbacks } = manifest;
    if (memory?.allocator.kind === 'function' && this.#isAllocating(memory.allocator.index, fresh)) {
      return { state: 'running', functions: [this.program.nameOf(memory.allocator.index)], stack: [] };
    }
    return callbacks?.prePatch === undefined ? undefined : this.unrest(change, fresh);
  }

  /** Is the program's memory allocator itself on the stack? Then it must not be called again from here. */
  #isAllocating(allocator: FuncIndex, fresh: boolean): boolean {
    if (fresh || !canSeeFrames()) return false;
    return wasmFrames().some(
      ({ instance, func }) =>
        instance === this.#instance && (func === allocator || allocatorName.test(this.program.nameOf(func))),
    );
  }

  /** Everything of this instance that is under way, each stack for itself; undefined where not all of it is known. */
  #stacks(fresh: boolean): Stack[] | undefined {
    const patches = this.#patchInstances().map((p) => p.instance);
    const suspended = suspendedStacks(this.#instance, [this.#instance, ...patches]);
    const unwound = this.#unwound.stacks(fresh);
    if (suspended === undefined || unwound === undefined || (!fresh && !canSeeFrames())) return undefined;
    return [
      { state: 'running' as const, frames: fresh ? [] : this.#running() },
      ...suspended.map((s) => ({ state: 'suspended' as const, frames: this.#locate(s) })),
      ...unwound.map((s) => ({ state: 'unwound' as const, frames: this.#locate(s) })),
    ];
  }

  #changed(frames: readonly Located[], { slots, patches }: Change): readonly Located[] {
    // V8 lists no function that it inlined into a try block, but always the one it inlined it into.
    if (this.#hasTryBlocks) return frames;
    return frames.filter(
      (f) => (f.slot !== undefined && slots.has(f.slot)) || (f.patch !== undefined && patches.has(f.patch)),
    );
  }

  /** Other instances may be looking at the same data: see places.ts. */
  get sharesMemory(): boolean {
    const memory = this.program.importsMemory ? this.slots.reserved('memory', 0) : undefined;
    return memory instanceof WebAssembly.Memory && memory.buffer instanceof SharedArrayBuffer;
  }

  get hasTable(): boolean {
    return this.slots.reserved('table', 0) instanceof WebAssembly.Table;
  }

  /** The program's table 0, where function addresses point. @throws RangeError */
  get table(): WebAssembly.Table {
    const table = this.slots.reserved('table', 0);
    if (table instanceof WebAssembly.Table) return table;
    throw new RangeError('the program has no table for function addresses');
  }

  /**
   * Where a program function stands in the program's table 0. If it stands nowhere, it is put at `free`, an entry that is kept
   * for it in all instances that share their memory, or else at the table's end.
   */
  addressOf(index: FuncIndex, free?: number): number {
    const [own] = this.program.function(index)?.tableEntries ?? [];
    const known = own ?? this.#addresses.get(index);
    if (known !== undefined) return known;
    const address = putFunction(this.table, this.slots.functionAt(index), {
      place: free === undefined ? undefined : this.program.places.functions.get(index),
      free,
    });
    if (free !== undefined) this.program.places.functions.set(index, address);
    this.#addresses.set(index, address);
    return address;
  }

  /** A short C string in the program's memory. */
  textAt(address: number): string {
    const memory = this.slots.reserved('memory', 0);
    if (!(memory instanceof WebAssembly.Memory)) return '';
    const bytes = new Uint8Array(memory.buffer).slice(address >>> 0, (address >>> 0) + textLimitBytes);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** What the host gave the instance under this import name. */
  hostImport(module: string, name: string): WebAssembly.ImportValue | undefined {
    return this.#imports[module]?.[name];
  }

  /** What is on the stack. Where not all of that can be seen, nobody knows whose entry it is. */
  #running(): Located[] {
    const frames = this.#locate(wasmFrames());
    return this.isAtEntry && !this.#hasTryBlocks ? frames.slice(1) : frames;
  }

  get #hasTryBlocks(): boolean {
    return this.program.map.tryBlocks || this.#patchInstances().some((p) => p.patch.tryBlocks);
  }

  /** The frames of this instance and of the patches in it. */
  #locate(frames: readonly Frame[]): Located[] {
    return frames.flatMap((frame) => this.#locateOne(frame) ?? []);
  }

  #locateOne({ instance, func }: Frame): Located | undefined {
    if (instance === this.#instance) {
      const slot = this.program.function(func)?.slot;
      return { name: this.program.nameOf(func), slot, patch: undefined };
    }
    const patch = this.#patchInstances().find((p) => p.instance === instance)?.patch;
    if (patch === undefined) return undefined;
    const slot = patch.slotOfFunction.get(func);
    const replaced = slot === undefined ? undefined : patch.bySlot.get(slot);
    const name = replaced === undefined ? `wasm-function[${func}]` : showFunction(replaced);
    return { name: `${patch.manifest.name}:${name}`, slot, patch: patch.id };
  }

  #patchInstances(): { readonly instance: WebAssembly.Instance; readonly patch: LoadedPatch }[] {
    const left = this.#left.flatMap(({ instance, patch }) => {
      const held = instance.deref();
      return held === undefined ? [] : [{ instance: held, patch }];
    });
    return [...this.#staged.values(), ...left];
  }
}

/** @param at `place`: where it is in other instances. */
function putFunction(
  table: WebAssembly.Table,
  wanted: unknown,
  { place, free }: { place: number | undefined; free: number | undefined },
): number {
  let address = place ?? 0;
  if (place === undefined) while (address < table.length && table.get(address) !== wanted) address += 1;
  if (place === undefined && address === table.length) address = free ?? table.length;
  if (address >= table.length) table.grow(address + 1 - table.length);
  const there: unknown = table.get(address);
  if (there !== null && there !== wanted)
    throw new RangeError(`entry ${address} of its table is not free, where other instances have a function`);
  table.set(address, wanted);
  return address;
}

const textLimitBytes = 64;

const allocatorName = /alloc|free|sbrk|resize_heap/;

function names(frames: readonly Located[]): string[] {
  return frames.map((f) => f.name).reverse();
}

/**
 * Programs that walk over their exports (Emscripten's dynamic linker) must not meet ours: the instance shows the others only.
 * The functions themselves are the very same objects.
 */
function hideReserved(
  instance: WebAssembly.Instance,
  watched: Readonly<Partial<Record<string, WebAssembly.ExportValue>>>,
): void {
  const shown: Record<string, WebAssembly.ExportValue> = Object.create(null) as Record<
    string,
    WebAssembly.ExportValue
  >;
  for (const [name, value] of Object.entries(instance.exports)) {
    if (!name.startsWith(reservedPrefix)) shown[name] = watched[name] ?? value;
  }
  Object.defineProperty(instance, 'exports', {
    value: Object.freeze(shown),
    configurable: true,
    enumerable: false,
  });
}
