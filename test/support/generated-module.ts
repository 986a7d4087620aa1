// Modules without names that are too large to write down: bodies and data of any number.

import { op, sectionIds, Writer } from '../../src/wasm/index.ts';

export interface GeneratedModule {
  /** One function each, all (i32) -> i32. */
  readonly bodies: readonly Uint8Array[];
  /** Which of them is exported as "run". */
  readonly run: number;
  /** The function table from entry 1 on. */
  readonly entries?: readonly number[];
  /** Segments, by their addresses. */
  readonly data?: ReadonlyMap<number, Uint8Array>;
}

/** Of memory. */
const pages = 100;

export function generateModule(module: GeneratedModule): Uint8Array<ArrayBuffer> {
  const { bodies, run, entries = [], data = new Map() } = module;
  const out = new Writer(4096).raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const section = (id: number, write: (w: Writer) => void): void => {
    const payload = new Writer(4096);
    write(payload);
    out.section(id, payload.view());
  };
  section(sectionIds.type, (w) => w.raw([1, 0x60, 1, 0x7f, 1, 0x7f]));
  section(sectionIds.function, (w) => w.vector(bodies, () => w.u32(0)));
  section(sectionIds.table, (w) => w.raw([1, 0x70, 0]).u32(entries.length + 1));
  section(sectionIds.memory, (w) => w.raw([1, 0]).u32(pages));
  section(sectionIds.export, (w) => w.u32(1).name('run').u8(0).u32(run));
  section(sectionIds.element, (w) => {
    w.raw([1, 0, op.i32Const, 1, op.end]).vector(entries, (index) => w.u32(index));
  });
  section(sectionIds.code, (w) => w.vector(bodies, (body) => w.block(body)));
  section(sectionIds.data, (w) =>
    w.vector([...data], ([address, bytes]) => w.u32(0).u8(op.i32Const).s32(address).u8(op.end).block(bytes)),
  );
  return out.toBytes();
}

/** A body without locals. */
export function body(write: (out: Writer) => void): Uint8Array {
  const out = new Writer(16).u32(0);
  write(out);
  return out.u8(op.end).toBytes();
}
