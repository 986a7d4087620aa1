// The code section of a prepared module: each body in its guard. Bodies stay byte for byte, except where fentry
// imports go away: there they are walked, because function indices move and the calls of the hooks disappear.

import { op, type Range, Reader, skipLocals, u32Size, Writer, walk } from '../wasm/index.ts';
import { type Job, writeEnd, writeStart } from './job.ts';
import type { PlannedFunction } from './plan.ts';

/** A section's payload of known length that is written straight to where it belongs: it may be most of a large module. */
export interface Payload {
  readonly length: number;
  readonly writeTo: (out: Writer) => void;
}

/** The code section's payload; `added` are bodies behind those of the kernel. */
export function layOutCode(job: Job, added: readonly Uint8Array[]): Payload {
  const tail = new Writer(4096);
  for (const body of added) tail.block(body);
  const count = job.plan.functions.length + added.length;
  const bodies = job.plan.fentry === undefined ? guardedBodies(job) : rewrittenBodies(job);
  return {
    length: u32Size(count) + bodies.length + tail.length,
    writeTo: (out) => {
      out.u32(count);
      bodies.writeTo(out);
      out.raw(tail.view());
    },
  };
}

function guardedBodies(job: Job): Payload {
  const { m, plan } = job;
  const guards = new Writer(plan.functions.length * 40 + 64);
  /** Where, in `guards`, what stands in front of a body's instructions ends, and what stands behind them. */
  const starts = new Uint32Array(plan.functions.length);
  const ends = new Uint32Array(plan.functions.length);
  const codeStarts = new Uint32Array(plan.functions.length);
  let length = 0;
  plan.functions.forEach((f, i) => {
    const before = guards.length;
    starts[i] = writeStart(job, f, guards).length;
    ends[i] = writeEnd(job, f, guards).length;
    codeStarts[i] = skipLocals(m.bytes, f.body);
    const size = codeEnd(f) - f.body.start + guards.length - before;
    length += u32Size(size) + size;
  });
  const writeTo = (out: Writer): void => {
    const guardBytes = guards.view();
    let from = 0;
    plan.functions.forEach((f, i) => {
      const [code = 0, start = 0, end = 0] = [codeStarts[i], starts[i], ends[i]];
      out.u32(codeEnd(f) - f.body.start + end - from).copy(m.bytes, f.body.start, code);
      out.copy(guardBytes, from, start).copy(m.bytes, code, codeEnd(f)).copy(guardBytes, start, end);
      from = end;
    });
  };
  return { length, writeTo };
}

/** Where the last `end` of a body stands. */
function codeEnd({ body }: PlannedFunction): number {
  return body.end - 1;
}

function rewrittenBodies(job: Job): Payload {
  const out = new Writer(job.plan.functions.reduce((sum, f) => sum + f.body.end - f.body.start + 48, 64));
  const body = new Writer(4096);
  for (const f of job.plan.functions) out.block(writeBody(job, f, body.reset()).view());
  return { length: out.length, writeTo: (to) => to.raw(out.view()) };
}

/** Tells where an instruction stood in the module and where it stands now in the bytes written. */
export type Moved = (from: number, to: number) => void;

/** Writes one body as it will stand: locals, guard, instructions, the other part of the guard. */
export function writeBody(job: Job, f: PlannedFunction, out: Writer, moved?: Moved): Writer {
  const start = skipLocals(job.m.bytes, f.body);
  const end = codeEnd(f);
  writeStart(job, f, out.copy(job.m.bytes, f.body.start, start));
  copyCode(job, out, { start, end }, moved);
  moved?.(end, out.length);
  return writeEnd(job, f, out);
}

/** Copies instructions, with function indices moved and the calls of hooks taken out. */
export function copyCode({ m, plan }: Job, out: Writer, range: Range, moved?: Moved): Writer {
  const { fentry } = plan;
  if (fentry === undefined && moved === undefined) return out.copy(m.bytes, range.start, range.end);
  let from = range.start;
  walk(new Reader(m.bytes, range.start, range.end), (i) => {
    moved?.(i.at, out.length + i.at - from);
    if (i.opcode !== op.call && i.opcode !== op.returnCall && i.opcode !== op.refFunc) return;
    out.copy(m.bytes, from, i.at);
    from = i.next;
    const to = plan.move(i.index);
    if (to !== undefined) {
      out.u8(i.opcode).u32(to);
      return;
    }
    for (let k = fentry?.removed.get(i.index) ?? 0; k > 0; k -= 1) out.u8(op.drop);
    if (i.opcode === op.returnCall) out.u8(op.return);
  });
  return out.copy(m.bytes, from, range.end);
}
