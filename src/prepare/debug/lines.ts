// `.debug_line` of a prepared module. Operations are copied as they are; in front of one that would advance to another
// address than that where the code went, the address is set anew. That is so once in each function that has a guard.

import {
  type DebugSections,
  extendedLineOpcode,
  type LineProgram,
  lineOpcode,
  readLineProgram,
} from '../../wasm/dwarf/index.ts';
import { Reader, Writer } from '../../wasm/index.ts';
import type { AddressMap } from './address-map.ts';
import { type MovedSection, put32, write32 } from './fixed.ts';

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function moveLines(s: DebugSections, map: AddressMap): MovedSection {
  const r = s.reader('.debug_line');
  const origin = r.at;
  const out = new Writer((r.left * 5) >> 2);
  const offsets = new Map<number, number>();
  while (!r.done) {
    const [from, to] = [r.at, out.length];
    offsets.set(from - origin, to);
    const program = readLineProgram(s, r, 4);
    if (program.addressSize !== 4) r.fail('a line table with addresses that are not of 4 bytes', from);
    out.copy(r.bytes, from, program.program);
    moveProgram(s, program, { map, out });
    put32(out.view(), to, out.length - to - 4);
    r.at = program.end;
  }
  return { bytes: out.toBytes(), offsets };
}

type Operation =
  | { readonly kind: 'advance'; readonly by: number }
  | { readonly kind: 'set'; readonly address: number }
  | { readonly kind: 'end' | 'other' };

interface Target {
  readonly map: AddressMap;
  readonly out: Writer;
}

function moveProgram(s: DebugSections, program: LineProgram, { map, out }: Target): void {
  const r = new Reader(s.module.bytes, program.program, program.end);
  if (program.lineRange === 0) r.fail('a line table without a range of lines');
  // Where the sequence is in the kernel, where whoever reads what is written is, and whether that is code at all.
  let [was, is, live] = [0, 0, false];
  while (!r.done) {
    const start = r.at;
    const operation = readOperation(s, r, program);
    if (operation.kind === 'set') {
      was = operation.address;
      live = map.holds(was);
      is = live ? map.of(was) : was;
      setAddress(out, is);
      continue;
    }
    if (operation.kind === 'advance') {
      was += operation.by;
      const wanted = live ? map.of(was) : is + operation.by;
      if (wanted < operation.by) r.fail('a line table that goes back before the code', start);
      if (is + operation.by !== wanted) setAddress(out, wanted - operation.by);
      is = wanted;
    }
    if (operation.kind === 'end') [was, is, live] = [0, 0, false];
    out.copy(r.bytes, start, r.at);
  }
}

function setAddress(out: Writer, address: number): void {
  write32(out.raw([0, 5, extendedLineOpcode.setAddress]), address);
}

const other: Operation = { kind: 'other' };

function readOperation(s: DebugSections, r: Reader, program: LineProgram): Operation {
  const { operands, minLength, lineRange } = program;
  const firstSpecial = operands.length + 1;
  const special = (adjusted: number): Operation => ({
    kind: 'advance',
    by: minLength * Math.floor(adjusted / lineRange),
  });
  const code = r.u8();
  if (code >= firstSpecial) return special(code - firstSpecial);
  if (code === 0) return readExtended(s, r);
  if (code === lineOpcode.advancePc) return { kind: 'advance', by: minLength * r.u32() };
  if (code === lineOpcode.constAddPc) return special(255 - firstSpecial);
  if (code === lineOpcode.fixedAdvancePc) return { kind: 'advance', by: s.fixed(r, 2) };
  for (let i = operands[code - 1] ?? 0; i > 0; i -= 1) r.skip64(code === lineOpcode.advanceLine);
  return other;
}

function readExtended(s: DebugSections, r: Reader): Operation {
  const length = r.count('bytes of an extended opcode');
  const end = r.at + length;
  const code = length === 0 ? 0 : r.u8();
  if (code === extendedLineOpcode.setAddress && length !== 5)
    r.fail('a line table with an address that is not of 4 bytes');
  const operation: Operation =
    code === extendedLineOpcode.setAddress
      ? { kind: 'set', address: s.fixed(r, 4) }
      : { kind: code === extendedLineOpcode.endSequence ? 'end' : 'other' };
  r.at = end;
  return operation;
}
