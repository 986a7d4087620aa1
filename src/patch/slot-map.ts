// The slot map: what a prepared module says of its functions. Written by prepare, read by build and the runtime.
//
//   wgraft.slots := version:u32=3  header:name(JSON: SlotMapHeader)  types:vec(name)  functions:vec(function)
//   function     := index:u32 original:u32 type:u32 (into types) slot:u32 (0 = none, else slot + 1)
//                   reason:u8 (into reasons; 0 where it has a slot) name:name ('' = none) hash:32 bytes
//                   tableEntries:vec(u32)
//
// `functions` are the defined ones in the order of their prepared index. Slots are given out in this order, those with table entries after
// all others.

import { WgraftError } from '../errors.ts';
import { type FuncIndex, findCustom, Reader, readSections, type SlotIndex, Writer } from '../wasm/index.ts';
import { slotsSection } from './layout.ts';

export const slotPolicies = ['all', 'auto', 'entry'] as const;
export type SlotPolicy = (typeof slotPolicies)[number];

export const engines = ['splice', 'binaryen'] as const;
export type Engine = (typeof engines)[number];

/**
 * Why a function has no slot: not marked by the compiler, small leaf, inner function under `entry`, body at V8's limit,
 * small function of a large program.
 */
export const slotlessReasons = ['', 'notrace', 'leaf', 'inner', 'too-large', 'small'] as const;
export type SlotlessReason = Exclude<(typeof slotlessReasons)[number], ''>;

/** Of what the body hashes are: the bytes as they are, or with each relocated field replaced by what it stands for. */
export const hashKinds = ['plain', 'relocated'] as const;
export type HashKind = (typeof hashKinds)[number];

export interface SlotMapHeader {
  /** Name and version of the tool that prepared the module. */
  readonly tool: string;
  readonly engine: Engine;
  readonly policy: SlotPolicy;
  /** The fentry import that marked functions, where the kernel had one. */
  readonly fentry?: string;
  /** SHA-256 of the original module, in hex. */
  readonly original: string;
  /** The original module's own build id, in hex, where it had one. */
  readonly originalBuildId?: string;
  readonly hash: HashKind;
  /** True where some function has a `try` block: the engine's stack traces are not complete then. */
  readonly tryBlocks: boolean;
}

export interface SlotMapFunction {
  /** Index in the prepared module. */
  readonly index: FuncIndex;
  /** Index in the original module. */
  readonly original: FuncIndex;
  /** From the name section, else the name it is exported under. */
  readonly name: string | undefined;
  /** `(i32, i32) -> i32` */
  readonly type: string;
  readonly slot: SlotIndex | undefined;
  /**
   * Where the function stands in the program's table 0, if that is its slot: it has no guard, and a patch takes its direct callers along.
   * Empty for a slot that is a guard.
   */
  readonly tableEntries: readonly number[];
  readonly reason: SlotlessReason | undefined;
  /** SHA-256 of the original body, 32 bytes; `SlotMapHeader.hash` says over what. */
  readonly hash: Uint8Array;
}

export interface SlotMap extends SlotMapHeader {
  readonly functions: readonly SlotMapFunction[];
}

const version = 3;

/** The payload of a `wgraft.slots` section. */
export function writeSlotMap(map: SlotMap): Uint8Array {
  const { functions, ...header } = map;
  const types = new Map<string, number>();
  for (const f of functions) if (!types.has(f.type)) types.set(f.type, types.size);
  const out = new Writer(functions.length * 56 + 256).u32(version).name(JSON.stringify(header));
  out.vector([...types.keys()], (type) => out.name(type));
  out.vector(functions, (f) => {
    out
      .u32(f.index)
      .u32(f.original)
      .u32(types.get(f.type) ?? 0)
      .u32(f.slot === undefined ? 0 : f.slot + 1);
    out
      .u8(slotlessReasons.indexOf(f.reason ?? ''))
      .name(f.name ?? '')
      .raw(f.hash)
      .vector(f.tableEntries, (entry) => out.u32(entry));
  });
  return out.toBytes();
}

/** Reads the payload of a `wgraft.slots` section. @throws WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_SLOT_MAP_VERSION */
export function readSlotMap(payload: Uint8Array): SlotMap {
  const r = new Reader(payload);
  const found = r.u32();
  if (found !== version) throw new WgraftError('WGRAFT_ERR_SLOT_MAP_VERSION', { found, known: version });
  const header = readHeader(r);
  const types = r.vector('types', () => r.name());
  const functions = r.vector('functions', () => readFunction(r, types), 39);
  r.finish('slot map');
  checkOrder(functions, r);
  return { ...header, functions };
}

function readHeader(r: Reader): SlotMapHeader {
  const start = r.at;
  const text = r.name();
  try {
    const header: unknown = JSON.parse(text);
    if (isHeader(header)) return header;
  } catch {
    // Said below.
  }
  return r.fail('the slot map header is not what prepare writes', start);
}

function isHeader(value: unknown): value is SlotMapHeader {
  if (typeof value !== 'object' || value === null) return false;
  const {
    tool,
    engine,
    policy,
    fentry,
    original,
    originalBuildId,
    hash,
    tryBlocks,
  }: Record<string, unknown> = {
    ...value,
  };
  return (
    typeof tool === 'string' &&
    engines.some((e) => e === engine) &&
    slotPolicies.some((p) => p === policy) &&
    ['string', 'undefined'].includes(typeof fentry) &&
    typeof original === 'string' &&
    ['string', 'undefined'].includes(typeof originalBuildId) &&
    hashKinds.some((k) => k === hash) &&
    typeof tryBlocks === 'boolean'
  );
}

/** Functions stand in the order of their index, none left out, and so do slots, guards first: the runtime counts on it. */
function checkOrder(functions: readonly SlotMapFunction[], r: Reader): void {
  let guards = 0;
  let inTable = functions.filter(hasGuard).length;
  functions.forEach((f, i) => {
    if (f.index !== (functions[0]?.index ?? 0) + i) r.fail(`slot map: function ${f.index} is out of order`);
    const slot = hasGuard(f) ? guards++ : f.tableEntries.length > 0 ? inTable++ : undefined;
    if (f.slot !== slot) r.fail(`slot map: slot ${f.slot} is out of order`);
  });
}

function readFunction(r: Reader, types: readonly string[]): SlotMapFunction {
  const start = r.at;
  const index = r.u32();
  const original = r.u32();
  const type = types[r.u32()] ?? r.fail('slot map: unknown type', start);
  const slot = r.u32();
  const reason = slotlessReasons[r.u8()];
  if (reason === undefined) r.fail('slot map: unknown reason', start);
  const name = r.name();
  const hash = r.take(32, 'hash');
  const tableEntries = r.vector('table entries', () => r.u32());
  return {
    index,
    original,
    name: name === '' ? undefined : name,
    type,
    slot: slot === 0 ? undefined : slot - 1,
    tableEntries,
    reason: reason === '' ? undefined : reason,
    hash,
  };
}

/** The slot map of a module's bytes, undefined if it is not a prepared module. @throws WGRAFT_ERR_WASM_MALFORMED */
export function findSlotMap(bytes: Uint8Array): SlotMap | undefined {
  const section = findCustom(readSections(bytes), slotsSection);
  return section === undefined ? undefined : readSlotMap(bytes.subarray(section.payload, section.end));
}

/** True where all calls of the function come by its slot, direct ones too. */
export function hasGuard({ slot, tableEntries }: Pick<SlotMapFunction, 'slot' | 'tableEntries'>): boolean {
  return slot !== undefined && tableEntries.length === 0;
}

/** What messages call a function: its name, or what V8's stack traces call it. */
export function showFunction(f: { readonly name: string | undefined; readonly index: FuncIndex }): string {
  return f.name ?? `wasm-function[${f.index}]`;
}
