// An item of the program as a unit imports it: under its index, and described as the program declares it.

import { WgraftError } from '../errors.ts';
import {
  type Import,
  type Limits,
  numberTypes,
  type TypeTable,
  type ValType,
  type Writer,
} from '../wasm/index.ts';
import type { ImportedItem } from './emit-unit.ts';
import { copiedFile } from './replaced.ts';
import type { Target } from './target.ts';

const referenceTypes: Readonly<Record<ValType, number>> = { funcref: 0x70, externref: 0x6f };

/** @throws WGRAFT_ERR_SOURCE_UNSUPPORTED for a global or table of a type that has to be defined */
export function describeItem(
  target: Target,
  kind: Import['kind'],
  index: number,
  types: TypeTable,
): Omit<ImportedItem, 'kind'> {
  const { module: m } = target;
  const item = { module: 'target', name: `#${index}` };
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
      const byte = typeByte(type, `global ${index}`);
      const host = mutable || init !== undefined ? undefined : importOf(target, index);
      return { ...(host ?? item), describe: (out) => out.u8(byte).u8(mutable ? 1 : 0) };
    }
    case 'table': {
      const { element = 'funcref', limits } = m.tables[index] ?? {};
      const byte = typeByte(element, `table ${index}`);
      return {
        ...item,
        describe: (out) =>
          out
            .u8(byte)
            .u8((limits?.flags ?? 0) & 4)
            .u8(0),
      };
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

function typeByte(type: ValType, what: string): number {
  const byte = numberTypes[type] ?? referenceTypes[type];
  if (byte !== undefined) return byte;
  throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', {
    file: copiedFile,
    what: `a function that has to come along uses ${what}, whose type is ${type}`,
  });
}

/** An immutable global that the program imports has no value but the host's. */
function importOf({ module: m }: Target, index: number): { module: string; name: string } | undefined {
  const found = m.imports.filter((i) => i.kind === 'global')[index];
  return found && { module: found.module, name: found.name };
}
