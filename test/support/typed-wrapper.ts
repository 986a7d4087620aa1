// A patch of wrappers around functions whose types WAT cannot write without all that they refer to: they are made as a module, and
// go through the room's own steps from there.

import { assemble, type BuiltPatch } from '../../src/build/assemble.ts';
import { bringCallers } from '../../src/build/callers.ts';
import type { CompiledUnit } from '../../src/build/compile.ts';
import { emitUnit } from '../../src/build/emit-unit.ts';
import { unknownData } from '../../src/build/program-data.ts';
import { readTarget, type Target } from '../../src/build/target.ts';
import { readUnit } from '../../src/build/unit.ts';
import { hasGuard, type SlotMapFunction } from '../../src/patch/index.ts';
import { funcType, op, TypeTable, Writer } from '../../src/wasm/index.ts';

/** Replaces each function by one that only calls it. */
export async function wrapTyped(
  bytes: Uint8Array,
  functions: readonly SlotMapFunction[],
): Promise<BuiltPatch> {
  const target = readTarget(bytes);
  const units = functions.map((f) => wrapper(target, f));
  const replaced = units.flatMap((u) => u.replaced);
  const unguarded = functions.filter((f) => !hasGuard(f)).map((f) => f.index);
  const callers = bringCallers(target, new Set(unguarded), new Set(functions.map((f) => f.index)));
  return assemble({
    target,
    replaced: [...replaced, ...callers.replaced],
    units: [...units, callers],
    data: unknownData,
    name: 'wrappers',
    allowImports: [],
    rules: {},
    began: 0,
  });
}

function wrapper({ module: m }: Target, f: SlotMapFunction): CompiledUnit {
  const name = `#${f.index}`;
  const types = new TypeTable();
  const type = types.add(m, m.functions[f.index] ?? 0);
  const body = new Writer(64).u8(0);
  funcType(m, f.index).params.forEach((_, i) => void body.u8(op.localGet).u32(i));
  body.u8(op.call).u32(0).u8(op.end);
  const bytes = emitUnit({
    types,
    imports: [{ kind: 'func', module: 'original', name, describe: (out) => out.u32(type) }],
    functions: [{ type, name: undefined, body: body.toBytes() }],
    globals: [],
    exports: [{ name, index: 1 }],
    entries: [],
    tableBase: 0,
    data: [],
    memoryBase: 0,
    needs: { memorySize: 0, memoryAlignment: 0, tableSize: 0, tableAlignment: 0 },
  });
  const file = `wrapper of ${name}`;
  return {
    unit: readUnit(file, 'wat', bytes),
    replaced: [{ index: f.index, slot: f.slot, entry: f, name, labels: [name], file }],
  };
}
