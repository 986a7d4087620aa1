// Builds without relocations: which constants of changed code may be addresses, and whether what stands there is known to be
// the same in both builds. It is where a function that did not change uses the same constant, or where the old version of the
// function has it, in the same order. Everything else would be a guess, and is refused.

import { WgraftError } from '../../errors.ts';
import {
  bodyReader,
  op,
  Reader,
  readGlobalNames,
  segmentAddress,
  type WasmModule,
  walk,
} from '../../wasm/index.ts';
import type { Build, BuildFunction } from './build.ts';
import type { Comparison } from './compare.ts';

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
  const asked = [...touched].map((f) => {
    const before = old.functions[correlation.functions.get(f.index) ?? -1];
    return { f, now: literals(next, f), before: before === undefined ? [] : literals(old, before) };
  });
  const unknown = new Unknown(
    old.module,
    asked.flatMap(({ now, before }) => [...now, ...before]),
  );
  for (const f of next.functions) {
    if (unknown.isEmpty) break;
    if (f.body === undefined || touched.has(f) || !correlation.functions.has(f.index)) continue;
    visitLiterals(next, f, (literal) => {
      if (mayBeAddress(literal)) unknown.see(literal);
    });
  }
  for (const { f, now, before } of asked) refuseUnknown(f, unknown.of(now), unknown.of(before));
}

/** The values of literals of which nothing shows yet that they are the same in both builds: code that did not change uses those. */
class Unknown {
  readonly #values: Set<number>;
  readonly #addresses: ReadonlySet<number>;

  constructor(old: WasmModule, literals: readonly Literal[]) {
    this.#values = new Set(literals.map(({ value }) => value));
    this.#addresses = withData(old, this.#values);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** A constant may be a number that happens to be an address; not so likely one at which data stands. */
  see({ value, isOffset }: Literal): void {
    if (isOffset || this.#addresses.has(value)) this.#values.delete(value);
  }

  /** Those of the values, each once, in order. */
  of(literals: readonly Literal[]): Set<number> {
    return new Set(literals.map(({ value }) => value).filter((value) => this.#values.has(value)));
  }
}

/** The addresses at which a segment has data. */
function withData(m: WasmModule, addresses: Iterable<number>): Set<number> {
  const segments = segmentsOf(m).sort((a, b) => a.start - b.start);
  const found = new Set<number>();
  let [next, end] = [0, 0];
  for (const address of [...addresses].sort((a, b) => a - b)) {
    for (let s = segments[next]; s !== undefined && s.start <= address; s = segments[next]) {
      end = Math.max(end, s.end);
      next += 1;
    }
    if (address < end) found.add(address);
  }
  return found;
}

function refuseUnknown(f: BuildFunction, now: ReadonlySet<number>, before: ReadonlySet<number>): void {
  const name = f.names[0] ?? `#${f.index}`;
  for (const value of now) {
    if (before.has(value)) continue;
    throw new WgraftError('WGRAFT_ERR_ADDRESS_UNKNOWN', {
      function: name,
      reason: `the constant ${value} may be an address, of which nothing shows what stood there in the old build`,
    });
  }
  const kept = [...before].filter((value) => now.has(value));
  const order = [...now];
  if (kept.some((value, i) => value !== order[i]))
    throw new WgraftError('WGRAFT_ERR_ADDRESS_UNKNOWN', {
      function: name,
      reason: `the constants ${order.join(', ')} have changed places, as they do when variables have`,
    });
}

function literalsOf(build: Build, f: BuildFunction): Literal[] {
  const found: Literal[] = [];
  visitLiterals(build, f, (literal) => found.push(literal));
  return found;
}

/** Calls `visit` for each literal in order. */
function visitLiterals(
  { module: { bytes } }: Build,
  { body }: BuildFunction,
  visit: (literal: Literal) => void,
): void {
  if (body === undefined) return;
  const r = new Reader(bytes, body.start, body.end);
  walk(bodyReader(bytes, body), ({ opcode, immediate }) => {
    r.at = immediate;
    if (opcode === op.i32Const) return visit({ value: r.s32() >>> 0, isOffset: false });
    if (!hasOffset(opcode)) return;
    if (r.u32() & 0x40) r.u32();
    visit({ value: Number(r.u64()), isOffset: true });
  });
}

/** Loads and stores of numbers, vectors, lanes, and the atomic ones. */
function hasOffset(opcode: number): boolean {
  if (opcode <= 0xff) return opcode >= 0x28 && opcode <= 0x3e;
  const [prefix, number] = [opcode >>> 16, opcode & 0xffff];
  if (prefix === 0xfe) return number !== 3;
  return prefix === 0xfd && (number <= 11 || (number >= 84 && number <= 93));
}

/** Where static data may be: up to the heap, if the builds say where that is, else up to the end of the memory. */
function staticRange(old: WasmModule, next: WasmModule): { start: number; end: number } {
  const segments = [...segmentsOf(old), ...segmentsOf(next)];
  const start = segments.reduce((least, s) => Math.min(least, s.start), usualStart);
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
  return m.elements
    .filter((segment) => segment.table === 0)
    .map((segment) => (segmentAddress(m, segment) ?? 0) + segment.functions.length)
    .reduce((most, end) => Math.max(most, end), 0);
}
