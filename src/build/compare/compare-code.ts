// Compares two builds without relocations. Code is compared with constants taken literally, so all that they may point to has
// to stand where it stood: data and function table are checked first, and constants of changed code one by one.

import { WgraftError } from '../../errors.ts';
import {
  type FuncIndex,
  type Global,
  importKey,
  readGlobalNames,
  readModule,
  segmentAddress,
  type WasmModule,
} from '../../wasm/index.ts';
import { type Build, type BuildData, readFunctions, refuseUnplaced } from './build.ts';
import { CanonicalCode, compareCanonical, TypeNumbers } from './canonical.ts';
import type { Pair } from './code-groups.ts';
import { type Comparison, compareFunctions } from './compare.ts';
import { correlateCode } from './correlate-code.ts';
import { Equality } from './equality.ts';
import { refuseUnknownAddresses, segmentsOf } from './literals.ts';

/** @throws WGRAFT_ERR_ADDRESS_UNKNOWN, WGRAFT_ERR_SYMBOLS_UNSUITABLE, WGRAFT_ERR_WASM_MALFORMED */
export function compareCode(oldBytes: Uint8Array, newBytes: Uint8Array): Comparison {
  const [oldModule, newModule] = [readModule(oldBytes), readModule(newBytes)];
  const globals = correlateGlobals(oldModule, newModule);
  const old = readCode('the old build', oldModule, nameGlobals(oldModule));
  const next = readCode('the new build', newModule, renameGlobals(globals, old));
  refuseMovedData(oldModule, newModule);
  const types = new TypeNumbers();
  const codes = {
    old: new CanonicalCode(old, types),
    new: new CanonicalCode(next, types, globals),
  };
  const entries = { old: entriesOf(oldModule), new: entriesOf(newModule) };
  const functions = correlateCode(codes, samePlace(entries));
  refuseMovedEntries(entries, functions);
  const correlation = { functions, data: globalData(old, next, globals), ambiguous: new Set<never>() };
  const equality = new Equality(old, next, correlation);
  const comparison = compareFunctions(old, next, correlation, equality, (n, o) =>
    compareCanonical(codes, functions, n, o),
  );
  refuseUnknownAddresses(comparison);
  return comparison;
}

function readCode(label: string, module: WasmModule, globalNames: Build['globalNames']): Build {
  refuseUnplaced(label, module);
  const managed = module.types.some((type) => type.kind !== 'func');
  if (managed)
    throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', {
      reason: `${label} has types of the garbage collection proposal, which patches from builds do not support`,
    });
  const functions = readFunctions(module, [], []);
  return { label, module, functions, dataOf: new Map(), data: [], absolute: new Map(), globalNames };
}

function refuse(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_ADDRESS_UNKNOWN', { reason });
}

/** Every byte of the old build's data has to stand in the new build, too, at the same address. */
function refuseMovedData(old: WasmModule, next: WasmModule): void {
  const byStart = (a: { start: number }, b: { start: number }): number => a.start - b.start;
  const news = segmentsOf(next).sort(byStart);
  let first = 0;
  for (const o of segmentsOf(old).sort(byStart)) {
    let known = o.start;
    // What ends before this one ends before all that follow.
    while ((news[first]?.end ?? Number.POSITIVE_INFINITY) <= o.start) first += 1;
    for (let i = first; i < news.length; i += 1) {
      const n = news[i];
      if (n === undefined || n.start >= o.end) break;
      const [start, end] = [Math.max(o.start, n.start), Math.min(o.end, n.end)];
      if (start >= end) continue;
      if (start > known) refuseUnless(isZero(old, o, known, start), known);
      const a = old.bytes.subarray(o.from + start - o.start, o.from + end - o.start);
      const b = next.bytes.subarray(n.from + start - n.start, n.from + end - n.start);
      if (Buffer.compare(a, b) !== 0) refuseUnless(false, start + a.findIndex((byte, k) => byte !== b[k]));
      known = Math.max(known, end);
    }
    refuseUnless(isZero(old, o, known, o.end), known);
  }
}

function refuseUnless(same: boolean, address: number): void {
  if (!same) refuse(`the data at address ${address} is another: it changed or moved`);
}

/** Where the new build has no segment its memory starts with zeros. */
function isZero(
  m: WasmModule,
  segment: { readonly start: number; readonly from: number },
  start: number,
  end: number,
): boolean {
  const from = segment.from - segment.start;
  return m.bytes.subarray(from + start, from + end).every((byte) => byte === 0);
}

/** Which functions stand where in the function table. */
interface Entries {
  readonly old: ReadonlyMap<number, FuncIndex | undefined>;
  readonly new: ReadonlyMap<number, FuncIndex | undefined>;
}

function samePlace(entries: Entries): Pair[] {
  return [...entries.old].flatMap(([place, o]): Pair[] => {
    const n = entries.new.get(place);
    return n === undefined || o === undefined ? [] : [[n, o]];
  });
}

/** Function pointers are constants, too: what stood in the table has to stand there still. */
function refuseMovedEntries(entries: Entries, functions: ReadonlyMap<FuncIndex, FuncIndex>): void {
  for (const [place, f] of entries.old) {
    const found = entries.new.get(place);
    const same = found === undefined || f === undefined ? found === f : functions.get(found) === f;
    if (!same) refuse(`entry ${place} of the function table is another function`);
  }
}

function entriesOf(m: WasmModule): Map<number, FuncIndex | undefined> {
  const entries = new Map<number, FuncIndex | undefined>();
  for (const segment of m.elements) {
    if (segment.mode !== 'active' || segment.table !== 0) continue;
    const start = segmentAddress(m, segment);
    if (start === undefined) refuse('the function table has entries without a fixed place');
    segment.functions.forEach((f, i) => {
      entries.set(start + i, f);
    });
  }
  return entries;
}

/** By name; those without one by index, type and initial value. New to old. */
function correlateGlobals(old: WasmModule, next: WasmModule): Map<number, number> {
  const [namesOfOld, namesOfNew] = [globalNames(old), globalNames(next)];
  const [byName, unique] = [indicesOf(namesOfOld), indicesOf(namesOfNew)];
  const pairs = new Map<number, number>();
  next.globals.forEach((global, index) => {
    const name = namesOfNew.get(index);
    const found = name === undefined ? index : unique.has(name) ? byName.get(name) : undefined;
    const before = found === undefined ? undefined : old.globals[found];
    if (found === undefined || before === undefined) return;
    if (name === undefined && namesOfOld.has(found)) return;
    if (global.type !== before.type || global.mutable !== before.mutable) return;
    const sameValue = sameInit(next, global, old, before);
    if (sameValue || (name !== undefined && global.mutable)) pairs.set(index, found);
  });
  return pairs;
}

/** By name, where only one has it. */
function indicesOf(names: ReadonlyMap<number, string>): Map<string, number> {
  const found = new Map<string, number>();
  const repeated = new Set<string>();
  for (const [index, name] of names) {
    if (found.has(name)) repeated.add(name);
    found.set(name, index);
  }
  for (const name of repeated) found.delete(name);
  return found;
}

function globalNames(m: WasmModule): Map<number, string> {
  const names = readGlobalNames(m.bytes, m.sections);
  for (const [index, i] of m.importsOf.global.entries()) names.set(index, importKey(i));
  return names;
}

function sameInit(m: WasmModule, global: Global, old: WasmModule, before: Global): boolean {
  const [a, b] = [global.init, before.init];
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(m.bytes.subarray(a.start, a.end), old.bytes.subarray(b.start, b.end)) === 0;
}

/** Every global has a name, so that it can be bound by it. */
function nameGlobals(m: WasmModule): Map<number, string> {
  const names = globalNames(m);
  return new Map(m.globals.map((_, index) => [index, names.get(index) ?? `global ${index}`]));
}

/** In the new build a global is called what its counterpart is called; one without a counterpart has no name. */
function renameGlobals(pairs: ReadonlyMap<number, number>, old: Build): Map<number, string> {
  return new Map([...pairs].map(([n, o]) => [n, old.globalNames.get(o) ?? `global ${o}`]));
}

/** Mutable globals are variables: a running program keeps what they hold. */
function globalData(old: Build, next: Build, pairs: ReadonlyMap<number, number>): Map<BuildData, BuildData> {
  const found = new Map<BuildData, BuildData>();
  for (const [n, o] of pairs) {
    const [a, b] = [globalVariable(next, n), globalVariable(old, o)];
    if (a !== undefined && b !== undefined) found.set(a, b);
  }
  return found;
}

function globalVariable(build: Build, index: number): BuildData | undefined {
  const global = build.module.globals[index];
  if (global?.init === undefined || !global.mutable) return undefined;
  const name = build.globalNames.get(index) ?? `global ${index}`;
  return {
    names: [name],
    name,
    local: true,
    anonymous: false,
    writable: true,
    address: 0,
    size: global.type === 'i64' || global.type === 'f64' ? 8 : 4,
    content: global.init,
    references: [],
    alignment: 1,
  };
}
