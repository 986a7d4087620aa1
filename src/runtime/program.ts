// A program: all instances of one prepared module (one build id) that live in this thread, and the patches on it.

import { WgraftError } from '../errors.ts';
import {
  hasGuard,
  readSlotMap,
  type SlotMap,
  type SlotMapFunction,
  showFunction,
  slotsSection,
} from '../patch/index.ts';
import { buildIdSection, engine, type FuncIndex, Reader, type SlotIndex } from '../wasm/index.ts';
import { Exclusive } from './exclusive.ts';
import { Instance, type Wake } from './instance.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { PatchStatus } from './operations.ts';
import { Places, type PlacesJson } from './places.ts';
import type { Reach, SlotTable } from './slot-table.ts';

/** A patch on a program. Its state moves applying -> applied -> reverting -> (gone), and back on a reversal. */
export interface PatchRecord {
  readonly patch: LoadedPatch;
  state: PatchStatus['state'];
}

/** What a program has: enough for another thread to have it too. */
export interface Heritage {
  readonly name: string;
  readonly universe: number;
  readonly forced: boolean;
  /** The files of the patches that are on, bottom first. */
  readonly patches: readonly Uint8Array[];
  readonly places: PlacesJson;
}

export class Program {
  readonly name: string;
  /** Hex. */
  readonly buildId: string;
  /** Grows by one with every transition begun. */
  universe = 0;
  /** The patch stack, the last one wins. */
  stack: PatchRecord[] = [];
  /** A transition was forced: whatever this program does from then on is nobody's promise. */
  forced = false;

  /** It is not to be forgotten where it has neither instances nor patches: other threads have. */
  isKept = false;
  /** Only where its instances share their memory. */
  readonly places: Places = new Places();

  /** Held while its transition is worked on, or an instance comes or goes: nothing else of it goes on meanwhile. */
  readonly exclusive: Exclusive = new Exclusive();

  readonly #module: WebAssembly.Module;
  readonly #instances = new Set<WeakRef<Instance>>();
  #map: SlotMap | undefined;
  #importsMemory: boolean | undefined;
  #functions: ReadonlyMap<FuncIndex, SlotMapFunction> | undefined;
  #inTable: ReadonlyMap<SlotIndex, SlotMapFunction> | undefined;
  #isChecked = false;

  constructor(name: string, buildId: string, module: WebAssembly.Module) {
    this.name = name;
    this.buildId = buildId;
    this.#module = module;
  }

  /** Read when it is first asked for: most programs are never patched. */
  get map(): SlotMap {
    this.#map ??= readSlotMap(section(this.#module, slotsSection, this.name));
    return this.#map;
  }

  function(index: FuncIndex): SlotMapFunction | undefined {
    this.#functions ??= new Map(this.map.functions.map((f) => [f.index, f]));
    return this.#functions.get(index);
  }

  /** The function whose slot this is, where that is its entries in the program's table. */
  inTable(slot: SlotIndex): SlotMapFunction | undefined {
    this.#inTable ??= new Map(
      this.map.functions.flatMap((f) => (f.tableEntries.length > 0 ? [[f.slot ?? 0, f]] : [])),
    );
    return this.#inTable.get(slot);
  }

  /** Has an instance, in which no patch is yet, looked at: what holds for one of a module holds for all. @throws RangeError */
  checkSlots(slots: SlotTable): void {
    if (this.#isChecked) return;
    slots.check(reachOf(this.map));
    this.#isChecked = true;
  }

  /** Instances can have one memory in common; one that is not imported is each one's own. */
  get importsMemory(): boolean {
    this.#importsMemory ??= engine.imports(this.#module).some(({ kind }) => kind === 'memory');
    return this.#importsMemory;
  }

  nameOf(index: FuncIndex): string {
    return showFunction(this.function(index) ?? { index, name: undefined });
  }

  /** The patches whose functions belong to the universe that a commit leads to, bottom first. A cumulative one hides those below. */
  get effective(): LoadedPatch[] {
    const patches = this.stack.filter((r) => r.state !== 'reverting').map((r) => r.patch);
    const bottom = patches.findLastIndex((p) => p.manifest.cumulative === true);
    return patches.slice(Math.max(bottom, 0));
  }

  /** @param number the universe's, where other threads have it already. */
  nextUniverse(number: number = this.universe + 1): { readonly from: number; readonly to: number } {
    const from = this.universe;
    this.universe = number;
    return { from, to: number };
  }

  add(instance: WebAssembly.Instance, imports: WebAssembly.Imports, id: number, wake?: Wake): Instance {
    const added = new Instance(id, this, instance, imports, wake);
    this.#instances.add(added.ref);
    return added;
  }

  remove(ref: WeakRef<Instance>): void {
    this.#instances.delete(ref);
  }

  get hasInstances(): boolean {
    return this.#instances.size > 0;
  }

  /** The live instances, oldest first. */
  get instances(): Instance[] {
    return [...this.#instances].flatMap((ref) => ref.deref() ?? []);
  }
}

function reachOf({ functions }: SlotMap): Reach {
  let [last, guard, tableEntry] = [-1, -1, -1];
  for (const f of functions) {
    last = Math.max(last, f.index);
    if (hasGuard(f)) guard = Math.max(guard, f.slot ?? guard);
    for (const entry of f.tableEntries) tableEntry = Math.max(tableEntry, entry);
  }
  return { function: last, guard, tableEntry };
}

/** The build id of a prepared module, hex. @throws WGRAFT_ERR_NOT_PREPARED */
export function programId(module: WebAssembly.Module): string {
  section(module, slotsSection, 'the module');
  const r = new Reader(section(module, buildIdSection, 'the module'));
  return Buffer.from(r.take(r.u32(), 'build id')).toString('hex');
}

function section(module: WebAssembly.Module, name: string, what: string): Uint8Array {
  const [found] = engine.customSections(module, name);
  if (found === undefined) throw new WgraftError('WGRAFT_ERR_NOT_PREPARED', { what });
  return new Uint8Array(found);
}
