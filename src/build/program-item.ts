// An item of the program as a unit imports it: under its index, and described as the program declares it.

import {
  type Import,
  type Limits,
  numberTypes,
  type TypeTable,
  type ValType,
  type Writer,
  writeValType,
} from '../wasm/index.ts';
import type { ImportedItem } from './emit-unit.ts';
import type { Target } from './target.ts';

export function describeItem(
  target: Target,
  kind: Import['kind'],
  index: number,
  types: TypeTable,
): Omit<ImportedItem, 'kind'> {
  const { module: m } = target;
  const item = { module: 'target', name: `#${index}` };
  const writeType = (out: Writer, type: ValType): Writer =>
    writeValType(out, type, (named) => types.add(m, named));
  switch (kind) {
    case 'func': {
      const type = types.add(m, m.functions[index] ?? 0);
      return { ...item, describe: (out) => out.u32(type) };
    }
    case 'tag': {
      const type = types.add(m, m.tags[index] ?? 0);
      return { ...item, describe: (out) => out.u8(0).u32(type) };
    }
    case 'global': {
      const { type = 'i32', mutable = false, init } = m.globals[index] ?? {};
      const isNumber = numberTypes[type] !== undefined;
      const host = isNumber && !mutable && init === undefined ? importOf(target, index) : undefined;
      return { ...(host ?? item), describe: (out) => writeType(out, type).u8(mutable ? 1 : 0) };
    }
    case 'table': {
      const { element = 'funcref', limits } = m.tables[index] ?? {};
      const flags = (limits?.flags ?? 0) & 4;
      return { ...item, describe: (out) => writeType(out, element).u8(flags).u8(0) };
    }
    case 'memory': {
      const { flags = 0, max } = m.memories[index] ?? {};
      return { ...item, describe: (out) => describeMemory(out, { flags, max }) };
    }
  }
}

/** A memory is taken as large as it is when the patch comes; a shared one must be imported with its maximum. */
export function describeMemory(out: Writer, { flags, max = 65536n }: Pick<Limits, 'flags' | 'max'>): void {
  const shared = (flags & 2) !== 0;
  out.u8((flags & 6) | (shared ? 1 : 0)).u64(0n);
  if (shared) out.u64(max);
}

/** An immutable number that the program imports has no value but the host's. */
function importOf({ module: m }: Target, index: number): { module: string; name: string } | undefined {
  const found = m.imports.filter((i) => i.kind === 'global')[index];
  return found && { module: found.module, name: found.name };
}
