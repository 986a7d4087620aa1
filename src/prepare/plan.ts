// The plan: which function gets which slot, and why another gets none. Both engines carry out the same plan.

import { hasGuard, type SlotlessReason, type SlotPolicy } from '../patch/index.ts';
import {
  type Body,
  bodyReader,
  type FuncIndex,
  type GlobalIndex,
  hasTryBlocks,
  op,
  type SlotIndex,
  type WasmModule,
  walk,
} from '../wasm/index.ts';
import { addressTaken, exportedFunctions } from './entries.ts';
import type { Fentry } from './fentry.ts';
import { aroundMainLoop } from './main-loop.ts';
import { findTableEntries } from './table-entries.ts';
import { findUses, type Uses } from './uses.ts';
import { valueGlobals } from './value-functions.ts';

export interface PlannedFunction {
  /** Index in the original module. */
  readonly index: FuncIndex;
  /** Index in the prepared module. */
  readonly moved: FuncIndex;
  readonly body: Body;
  readonly slot: SlotIndex | undefined;
  /** Entries of the program's table 0 that are the slot; without them a slot is a guard. */
  readonly tableEntries: readonly number[];
  readonly reason: SlotlessReason | undefined;
}

export interface Plan {
  readonly policy: SlotPolicy;
  readonly fentry: Fentry | undefined;
  readonly functions: readonly PlannedFunction[];
  readonly slots: number;
  /** How many of the slots are guards; they come first. */
  readonly guards: number;
  /** Guards look at the attention word, too. */
  readonly attention: boolean;
  /** The globals whose values patches can ask for. */
  readonly values: readonly GlobalIndex[];
  /** See SlotMapHeader.tryBlocks. */
  readonly tryBlocks: boolean;
  /** Prepared index of a function; undefined for a hook import that goes away. */
  readonly move: (index: FuncIndex) => FuncIndex | undefined;
}

/** A leaf whose body takes at most this many bytes is called by so little code that its callers can be patched instead. */
const leafBytes = 32;

/**
 * In a large program `auto` leaves out all bodies below this many bytes: a guard costs most where little else is done, and
 * an engine puts such bodies into their callers, where more code is in the way (docs/performance.md has the figures). Under `auto`
 * and `entry`, functions that only the program's own table leads to have their slot in that table: the small ones of a large program, and those
 * of any size that nothing calls without it, so that a patch need not bring their callers.
 * In a small program, functions of any size keep their slots: there patches are written by hand, one function at a time.
 */
const smallBytes = 256;
/** Of all bodies together. */
const smallProgramBytes = 8192;

/** V8 refuses a body of 7 654 321 bytes; a guard takes less than 10 000 even with the 1 000 parameters V8 allows. */
const bodyLimit = 7_640_000;

/**
 * Gives out slots in the order of function indices: to functions that get a guard, then to those that table 0 leads to. What stands around
 * the main loop of a command always has one, since a patch could not bring the loop along.
 */
export function makePlan(
  m: WasmModule,
  policy: SlotPolicy,
  fentry: Fentry | undefined,
  attention = false,
): Plan {
  const outside = findEntries(m);
  const isSmall = smallIn(m);
  let found: Uses | undefined;
  const uses = (): Uses => (found ??= findUses(m));
  const needed = policy === 'all' ? new Set<FuncIndex>() : aroundMainLoop(m, uses);
  const move = mover(m, fentry);
  // A guard is also where the host comes to a thread that makes no host call.
  const inTable = policy === 'all' || attention ? undefined : findTableEntries(m, uses);
  const planned = m.bodies.map((body, i): Omit<PlannedFunction, 'slot'> => {
    const index: FuncIndex = m.imported.func + i;
    const small = isSmall(body) && !needed.has(index);
    const reason = whyNone(m, body, policy, {
      marked: fentry?.marked.has(index),
      entry: outside.has(index) || needed.has(index),
      small,
    });
    const { entries, isCalled } = inTable?.get(index) ?? { entries: [], isCalled: true };
    const tableEntries = reason === undefined && (!isCalled || small) ? entries : [];
    return { index, moved: move(index) ?? index, body, reason, tableEntries };
  });
  const withSlot = planned.filter(({ reason }) => reason === undefined);
  const guarded = withSlot.filter((f) => f.tableEntries.length === 0);
  const unguarded = withSlot.filter((f) => f.tableEntries.length > 0);
  const slotOf = new Map([...guarded, ...unguarded].map(({ index }, slot) => [index, slot]));
  const functions = planned.map((f) => ({ ...f, slot: slotOf.get(f.index) }));
  const tryBlocks = found?.tryBlocks ?? hasTryBlocks(m);
  return {
    policy,
    fentry,
    functions,
    slots: slotOf.size,
    guards: guarded.length,
    attention,
    values: valueGlobals(m),
    tryBlocks,
    move,
  };
}

/** A function that has a guard. */
export type GuardedFunction = PlannedFunction & { readonly slot: SlotIndex };

export function isGuarded(f: PlannedFunction): f is GuardedFunction {
  return hasGuard(f);
}

interface Traits {
  /** By its compiler, for fentry; undefined in a program without. */
  readonly marked: boolean | undefined;
  /** Code that no patch can bring along calls it. */
  readonly entry: boolean;
  readonly small: boolean;
}

function whyNone(
  m: WasmModule,
  body: Body,
  policy: SlotPolicy,
  { marked, entry, small }: Traits,
): SlotlessReason | undefined {
  if (body.end - body.start > bodyLimit) return 'too-large';
  if (marked === false) return 'notrace';
  if (policy === 'all' || entry) return undefined;
  if (policy === 'entry') return 'inner';
  if (small) return 'small';
  return body.end - body.start <= leafBytes && isLeaf(m, body) ? 'leaf' : undefined;
}

/** Which bodies are small in this program. */
function smallIn({ bodies }: WasmModule): (body: Body) => boolean {
  const programBytes = bodies.reduce((sum, { start, end }) => sum + end - start, 0);
  const limit = programBytes > smallProgramBytes ? smallBytes : 0;
  return ({ start, end }) => end - start < limit;
}

/** The functions that something outside can call. */
function findEntries(m: WasmModule): Set<FuncIndex> {
  const entries = new Set([...exportedFunctions(m), ...addressTaken(m)]);
  if (m.start !== undefined) entries.add(m.start);
  return entries;
}

const calls: ReadonlySet<number> = new Set([
  op.call,
  op.callIndirect,
  op.callRef,
  op.returnCall,
  op.returnCallIndirect,
  op.returnCallRef,
  op.loop,
]);

/** No call and no loop: what an inliner takes first. */
function isLeaf(m: WasmModule, body: Body): boolean {
  let leaf = true;
  walk(bodyReader(m.bytes, body), (i) => {
    if (calls.has(i.opcode)) leaf = false;
  });
  return leaf;
}

function mover(m: WasmModule, fentry: Fentry | undefined): Plan['move'] {
  if (fentry === undefined) return (index) => index;
  const to: (FuncIndex | undefined)[] = [];
  let next: FuncIndex = 0;
  for (let index = 0; index < m.functions.length; index += 1)
    to.push(fentry.removed.has(index) ? undefined : next++);
  return (index) => to[index];
}
