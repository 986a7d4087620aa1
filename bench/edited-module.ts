// A new build of a module whose source nobody has: one constant changed, and one function more in front of all others, so that
// the index of every function moves.

import {
  bodyReader,
  copyBody,
  copyConstant,
  type ElementSegment,
  findCustom,
  type IndexMap,
  moveFunctionNames,
  op,
  Reader,
  readModule,
  sectionIds,
  type WasmModule,
  Writer,
  walk,
} from '../src/wasm/index.ts';

type Bytes = Uint8Array<ArrayBuffer>;

export function withEdits(bytes: Uint8Array): Bytes {
  return withFunction(withConstant(bytes));
}

/** The first small constant behind the middle of the code is one more. */
function withConstant(bytes: Uint8Array): Bytes {
  const m = readModule(bytes);
  const edited = new Uint8Array(bytes);
  for (const body of m.bodies.slice(m.bodies.length / 2)) {
    let found: number | undefined;
    walk(bodyReader(bytes, body), ({ opcode, immediate }) => {
      const value = bytes[immediate] ?? 0;
      // Neither a flag nor an address, and one byte long before and after.
      if (opcode === op.i32Const && value > 8 && value < 32) found ??= immediate;
    });
    if (found === undefined) continue;
    edited[found] = (bytes[found] ?? 0) + 1;
    return edited;
  }
  throw new Error('no constant to change');
}

const kinds = { func: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

/** One function more, which nobody calls. */
function withFunction(bytes: Uint8Array): Bytes {
  const m = readModule(bytes);
  const first = m.imported.func;
  const move = (index: number): number => (index < first ? index : index + 1);
  const map: IndexMap = (space, index) => (space === 'func' ? move(index) : index);
  const out = new Writer(bytes.length + 65536).raw(bytes.subarray(0, 8));
  const changed = changedSections(m, map);
  for (const section of m.sections) {
    const payload = changed.get(section.id);
    const names = section === findCustom(m.sections, 'name');
    if (payload !== undefined) out.section(section.id, payload);
    else if (names)
      out.custom('name', moveFunctionNames(bytes.subarray(section.payload, section.end), { move }));
    else out.raw(bytes.subarray(section.start, section.end));
  }
  return out.toBytes();
}

function changedSections(m: WasmModule, map: IndexMap): Map<number, Uint8Array> {
  const func = (index: number): number => map('func', index, 0);
  const defined = m.functions.slice(m.imported.func);
  const [type = 0] = defined;
  const sections = new Map<number, Uint8Array>([
    [sectionIds.function, payload((out) => out.vector([type, ...defined], (t) => out.u32(t)))],
    [
      sectionIds.export,
      payload((out) =>
        out.vector(m.exports, ({ name, kind, index }) => {
          out
            .name(name)
            .u8(kinds[kind])
            .u32(kind === 'func' ? func(index) : index);
        }),
      ),
    ],
    [
      sectionIds.element,
      payload((out) => out.vector(m.elements, (segment) => copyElements(m, segment, out, map))),
    ],
    [sectionIds.code, payload((out) => copyBodies(m, out, map))],
  ]);
  const { start } = m;
  if (start !== undefined)
    sections.set(
      sectionIds.start,
      payload((out) => out.u32(func(start))),
    );
  return sections;
}

function payload(write: (out: Writer) => void): Uint8Array {
  const out = new Writer(4096);
  write(out);
  return out.view();
}

function copyBodies(m: WasmModule, out: Writer, map: IndexMap): void {
  out.u32(m.bodies.length + 1).block([0, op.unreachable, op.end]);
  const body = new Writer(4096);
  for (const { start, end } of m.bodies) {
    copyBody(new Reader(m.bytes, start, end), body.reset(), map);
    out.block(body.view());
  }
}

function copyElements(m: WasmModule, segment: ElementSegment, out: Writer, map: IndexMap): void {
  const { start, entries, functions, expressions } = segment;
  out.raw(m.bytes.subarray(start, entries.start));
  if (!expressions) {
    out.vector(functions, (f) => out.u32(map('func', f ?? 0, 0)));
    return;
  }
  const r = new Reader(m.bytes, entries.start, entries.end);
  out.u32(r.u32());
  while (!r.done) copyConstant(r, out, map);
}
