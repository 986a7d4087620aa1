// Builds without relocations: which constants of changed code may be addresses, and whether what stands there is known to be
// the same in both builds. It is where a function that did not change uses the same constant, or where the old version of the
// function has it, in the same order. Everything else would be a guess, and is refused.

import { WgraftError } from '../../errors.ts';
import { op, Reader, readGlobalNames, segmentAddress, type WasmModule } from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import type { Comparison } from './compare.ts';
import { instructionsOf } from './equality.ts';

interface Literal {
  readonly value: number;
  /** The constant offset of a load or store, else a constant. */
  readonly isOffset: boolean;
}

/**
 * Linkers and AssemblyScript place data from 1024 on, if not told otherwise; half of it leaves room for addresses from which the
 * compiler took something away, as in `digits[c - '0']`.
 */
const usualStart = 512;
const pageBytes = 65536;

/** @throws WGRAFT_ERR_ADDRESS_UNKNOWN */
export function refuseUnknownAddresses({ old, new: next, correlation, changed, added }: Comparison): void {
  const range = staticRange(old.module, next.module);
  const entries = [tableLength(old.module), tableLength(next.module)] as const;
  const mayBeAddress = ({ value, isOffset }: Literal): boolean =>
    (value >= range.start && value < range.end) || (!isOffset && value >= entries[0] && value < entries[1]);
  const literals = (build: Build, f: BuildFunction): Literal[] => literalsOf(build, f).filter(mayBeAddress);
  const touched = new Set([...changed.map((c) => c.new), ...added]);
  const anchors = new Anchors(old.module);
  for (const f of next.functions) {
    if (f.body !== undefined && !touched.has(f) && correlation.functions.has(f.index))
      for (const literal of literals(next, f)) anchors.add(literal);
  }
  for (const f of touched) {
    const before = old.functions[correlation.functions.get(f.index) ?? -1];
    const known = before === undefined ? [] : literals(old, before);
    refuseUnknown(f, openOf(literals(next, f), anchors), openOf(known, anchors));
  }
}

/** What is the same in both builds because code that did not change uses it. */
class Anchors {
  readonly #constants = new Set<number>();
  readonly #offsets = new Set<number>();
  readonly #data: readonly { readonly start: number; readonly end: number }[];

  constructor(old: WasmModule) {
    this.#data = segmentsOf(old);
  }

  add({ value, isOffset }: Literal): void {
    (isOffset ? this.#offsets : this.#constants).add(value);
  }

  /** A constant may be a number that happens to be an address; not so likely one at which data stands. */
  has({ value }: Literal): boolean {
    if (this.#offsets.has(value)) return true;
    return this.#constants.has(value) && this.#data.some((d) => value >= d.start && value < d.end);
  }
}

/** The literals that no other function vouches for, each once, in order. */
function openOf(literals: readonly Literal[], anchors: Anchors): number[] {
  return [...new Set(literals.filter((literal) => !anchors.has(literal)).map(({ value }) => value))];
}

function refuseUnknown(f: BuildFunction, now: readonly number[], before: readonly number[]): void {
  const unknown = now.find((value) => !before.includes(value));
  const name = f.names[0] ?? `#${f.index}`;
  if (unknown !== undefined)
    throw new WgraftError('WGRAFT_ERR_ADDRESS_UNKNOWN', {
      function: name,
      reason: `the constant ${unknown} may be an address, of which nothing shows what stood there in the old build`,
    });
  const kept = before.filter((value) => now.includes(value));
  if (kept.some((value, i) => value !== now[i]))
    throw new WgraftError('WGRAFT_ERR_ADDRESS_UNKNOWN', {
      function: name,
      reason: `the constants ${now.join(', ')} have changed places, as they do when variables have`,
    });
}

function literalsOf(build: Build, f: BuildFunction): Literal[] {
  const { bytes } = build.module;
  return instructionsOf(build, f).flatMap((i): Literal[] => {
    const r = new Reader(bytes, i.at, i.next);
    const first = r.u8();
    if (first === op.i32Const) return [{ value: r.s32() >>> 0, isOffset: false }];
    if (first < 0x28 || first > 0x3e) {
      if (first !== 0xfd && first !== 0xfe) return [];
      const number = r.u32();
      const hasOffset = first === 0xfe ? number !== 3 : number <= 11 || (number >= 84 && number <= 93);
      if (!hasOffset) return [];
    }
    if (r.u32() & 0x40) r.u32();
    return [{ value: Number(r.u64()), isOffset: true }];
  });
}

/** Where static data may be: up to the heap, if the builds say where that is, else up to the end of the memory. */
function staticRange(old: WasmModule, next: WasmModule): { start: number; end: number } {
  const start = Math.min(usualStart, ...[old, next].flatMap((m) => segmentsOf(m).map((s) => s.start)));
  return { start: Math.max(1, start), end: Math.max(staticEnd(old), staticEnd(next)) + 1 };
}

function staticEnd(m: WasmModule): number {
  const named = [...readGlobalNames(m.bytes, m.sections)].find(([, name]) =>
    name.endsWith('__heap_base'),
  )?.[0];
  const index = m.exports.find((e) => e.kind === 'global' && e.name === '__heap_base')?.index ?? named;
  const init = index === undefined ? undefined : m.globals[index]?.init;
  const heap = init === undefined ? undefined : segmentAddress(m, { offset: init });
  return heap ?? Number(m.memories[0]?.min ?? 0n) * pageBytes;
}

export function segmentsOf(m: WasmModule): { start: number; end: number; from: number }[] {
  return m.data.flatMap((segment) => {
    const start = segmentAddress(m, segment);
    const length = segment.content.end - segment.content.start;
    return start === undefined ? [] : [{ start, end: start + length, from: segment.content.start }];
  });
}

function tableLength(m: WasmModule): number {
  const ends = m.elements
    .filter((segment) => segment.table === 0)
    .map((segment) => (segmentAddress(m, segment) ?? 0) + segment.functions.length);
  return Math.max(0, ...ends);
}
