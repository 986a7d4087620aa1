// Constants that became variables: where the old code had a number of its own, such as the seed of a hash, and the new code reads
// a variable that the patch brings, what the program made with that number so far may not be found with another one.

import { WgraftError } from '../../errors.ts';
import { op, Reader } from '../../wasm/index.ts';
import type { Build, BuildData, BuildFunction } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';
import { instructionsOf } from '../compare/equality.ts';

interface ReplacedConstant {
  /** The changed function, as the new build has it. */
  readonly function: BuildFunction;
  readonly constants: readonly bigint[];
  /** New variables that it reads, itself or in new functions that it calls. */
  readonly variables: readonly BuildData[];
}

/** Smaller ones are sizes, line numbers, limits and members of enumerations: every fix has such. */
const smallestMagic = 65536n;

/** Why new variables stand in the way, one error for each changed function; one that reads an allowed variable has none. */
export function constantRefusals(
  comparison: Comparison,
  allowed: 'all' | readonly string[],
): WgraftError<'WGRAFT_ERR_CONSTANT_REPLACED'>[] {
  if (allowed === 'all') return [];
  return replacedConstants(comparison)
    .filter(({ variables }) => !variables.some((d) => d.names.some((name) => allowed.includes(name))))
    .map(({ function: f, constants, variables }) => {
      return new WgraftError('WGRAFT_ERR_CONSTANT_REPLACED', {
        function: f.names[0] ?? `#${f.index}`,
        constants: constants.map(String),
        variables: variables.map((d) => d.name),
      });
    });
}

/** Finds the changed functions in which a new variable may stand for a constant. */
function replacedConstants(comparison: Comparison): ReplacedConstant[] {
  const { old, new: next, changed, added, correlation } = comparison;
  const isNew = (d: BuildData): boolean => d.writable && !d.anonymous && !correlation.data.has(d);
  if (!next.data.some(isNew)) return [];
  const addedFunctions = new Map(added.map((f) => [f.index, f]));
  return changed.flatMap((change): ReplacedConstant[] => {
    const functions = withNewCallees(change.new, addedFunctions);
    const variables = [...new Set(functions.flatMap((f) => readsOf(next, f)))].filter(isNew);
    if (variables.length === 0) return [];
    const before = new Set(constantsOf(old, change.old));
    const now = new Set(functions.flatMap((f) => constantsOf(next, f)));
    const initial = new Set(variables.flatMap((d) => initialValue(next, d) ?? []));
    // A constant that made room for another constant is an ordinary change.
    const [gone, come] = [without(before, new Set([...now, ...initial])), without(now, before)];
    return gone.length <= come.length ? [] : [{ function: change.new, constants: gone, variables }];
  });
}

function without(all: ReadonlySet<bigint>, others: ReadonlySet<bigint>): bigint[] {
  return [...all].filter((value) => !others.has(value));
}

/** The function and the new ones that its calls lead to. */
function withNewCallees(
  f: BuildFunction,
  added: ReadonlyMap<number, BuildFunction>,
): readonly BuildFunction[] {
  const found = new Set([f]);
  for (const { callees } of found) {
    for (const callee of callees) {
      const own = added.get(callee);
      if (own !== undefined) found.add(own);
    }
  }
  return [...found];
}

const [firstStore, lastStore] = [0x36, 0x3e];

/** Data whose address stands in the function, other than to store something there. */
function readsOf(build: Build, f: BuildFunction): BuildData[] {
  const all = f.references.flatMap(({ at, symbol }) => {
    const data = symbol === undefined ? undefined : build.dataOf.get(symbol);
    return data === undefined ? [] : [{ at, data }];
  });
  if (all.length === 0) return [];
  const instructions = instructionsOf(build, f);
  return all
    .filter(({ at }) => {
      const opcode = instructions.find((i) => at >= i.at && at < i.next)?.opcode ?? 0;
      return opcode < firstStore || opcode > lastStore;
    })
    .map(({ data }) => data);
}

/** Numbers of a size that only a meaning gives them, as their bits. */
function constantsOf(build: Build, f: BuildFunction): bigint[] {
  const { bytes } = build.module;
  const referenced = new Set(f.references.map((r) => r.at));
  return instructionsOf(build, f).flatMap((i): bigint[] => {
    if ((i.opcode !== op.i32Const && i.opcode !== op.i64Const) || referenced.has(i.at + 1)) return [];
    const r = new Reader(bytes, i.at + 1, i.next);
    const value = i.opcode === op.i64Const ? r.s64() : BigInt(r.s32());
    const isLarge = value >= smallestMagic || value <= -smallestMagic;
    return isLarge ? [BigInt.asUintN(i.opcode === op.i64Const ? 64 : 32, value)] : [];
  });
}

function initialValue({ module }: Build, { content, size }: BuildData): bigint | undefined {
  const view = new DataView(module.bytes.buffer, module.bytes.byteOffset + content.start, size);
  if (size === 4) return BigInt(view.getUint32(0, true));
  return size === 8 ? view.getBigUint64(0, true) : undefined;
}
