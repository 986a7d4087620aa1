// The code section of a prepared module: each body behind its guard. Bodies stay byte for byte, except where fentry
// imports go away: there they are walked, because function indices move and the calls of the hooks disappear.

import { op, type Range, Reader, skipLocals, u32Size, Writer, walk } from '../wasm/index.ts';
import { guardOf, type Job } from './job.ts';
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
  const guardEnds = new Uint32Array(plan.functions.length);
  const codeStarts = new Uint32Array(plan.functions.length);
  let length = 0;
  plan.functions.forEach((f, i) => {
    const before = guards.length;
    guardEnds[i] = guardOf(job, f, guards).length;
    codeStarts[i] = skipLocals(m.bytes, f.body);
    const size = f.body.end - f.body.start + guards.length - before;
    length += u32Size(size) + size;
  });
  const writeTo = (out: Writer): void => {
    const guardBytes = guards.view();
    let from = 0;
    plan.functions.forEach(({ body }, i) => {
      const to = guardEnds[i] ?? from;
      const code = codeStarts[i] ?? body.start;
      out.u32(body.end - body.start + to - from).copy(m.bytes, body.start, code);
      out.copy(guardBytes, from, to).copy(m.bytes, code, body.end);
      from = to;
    });
  };
  return { length, writeTo };
}

function rewrittenBodies(job: Job): Payload {
  const out = new Writer(job.plan.functions.reduce((sum, f) => sum + f.body.end - f.body.start + 48, 64));
  const body = new Writer(4096);
  for (const f of job.plan.functions) out.block(writeBody(job, f, body.reset()).view());
  return { length: out.length, writeTo: (to) => to.raw(out.view()) };
}

/** Tells where an instruction stood in the module and where it stands now in the bytes written. */
export type Moved = (from: number, to: number) => void;

/** Writes one body as it will stand: locals, guard, instructions. */
export function writeBody(job: Job, f: PlannedFunction, out: Writer, moved?: Moved): Writer {
  const at = skipLocals(job.m.bytes, f.body);
  guardOf(job, f, out.copy(job.m.bytes, f.body.start, at));
  return copyCode(job, out, { start: at, end: f.body.end }, moved);
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
