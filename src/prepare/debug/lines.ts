// `.debug_line` of a prepared module. Operations are copied as they are; in front of one that would advance to another
// address than that where the code went, the address is set anew. That is so in each function that has a guard: at its first
// instruction, and behind its last.

import {
  type DebugSections,
  extendedLineOpcode,
  type LineProgram,
  lineOpcode,
  readLineProgram,
} from '../../wasm/dwarf/index.ts';
import { Reader, Writer } from '../../wasm/index.ts';
import { type AddressMap, unmoved } from './address-map.ts';
import { type MovedSection, put32, write32 } from './fixed.ts';

/** @throws WGRAFT_ERR_WASM_MALFORMED */
export function moveLines(s: DebugSections, map: AddressMap): MovedSection {
  const r = s.reader('.debug_line');
  const origin = r.at;
  const out = new Writer((r.left * 5) >> 2);
  const offsets = new Map<number, number>();
  const tables: AdvanceTables = new Map();
  while (!r.done) {
    const [from, to] = [r.at, out.length];
    offsets.set(from - origin, to);
    const program = readLineProgram(s, r, 4);
    if (program.addressSize !== 4) r.fail('a line table with addresses that are not of 4 bytes', from);
    out.copy(r.bytes, from, program.program);
    moveProgram(s, program, { map, out, advances: advancesOf(program, tables) });
    put32(out.view(), to, out.length - to - 4);
    r.at = program.end;
  }
  return { bytes: out.toBytes(), offsets };
}

interface Target {
  readonly map: AddressMap;
  readonly out: Writer;
  readonly advances: Advances;
}

function moveProgram(s: DebugSections, program: LineProgram, { map, out, advances }: Target): void {
  const { operands, lineRange, end } = program;
  const { bytes } = s.module;
  const r = new Reader(bytes, program.program, end);
  if (lineRange === 0) r.fail('a line table without a range of lines');
  const firstSpecial = operands.length + 1;
  // Where the sequence is in the kernel, how far that goes, and what is written so far.
  let [was, stretch, copied] = [0, unmoved, r.at];
  while (r.at < end) {
    const start = r.at;
    const code = bytes[start] ?? 0;
    r.at += 1;
    let by = advances[code] ?? 0;
    if (code < firstSpecial) {
      if (code === 0) {
        const found = readExtended(s, r);
        if (found === 'other') continue;
        was = found === 'end' ? 0 : found;
        stretch = found === 'end' ? unmoved : map.stretch(was);
        if (found === 'end') continue;
        setAddress(out.copy(bytes, copied, start), was + stretch.shift);
        copied = r.at;
        continue;
      }
      if (code === lineOpcode.advancePc) by = program.minLength * r.u32();
      else if (code === lineOpcode.fixedAdvancePc) by = s.fixed(r, 2);
      else if (code !== lineOpcode.constAddPc) {
        for (let i = operands[code - 1] ?? 0; i > 0; i -= 1) r.skip64(code === lineOpcode.advanceLine);
        continue;
      }
    }
    was += by;
    if (was < stretch.until) continue;
    const next = map.stretch(was);
    if (next.shift !== stretch.shift) {
      const from = was + next.shift - by;
      if (from < 0) r.fail('a line table that goes back before the code', start);
      setAddress(out.copy(bytes, copied, start), from);
      copied = start;
    }
    stretch = next;
  }
  out.copy(bytes, copied, end);
}

function setAddress(out: Writer, address: number): void {
  write32(out.u8(0).u8(5).u8(extendedLineOpcode.setAddress), address);
}

/** By how much each opcode advances the address, where the opcode alone says it. */
type Advances = readonly number[];
/** By what the headers of programs say of that: mostly all say the same. */
type AdvanceTables = Map<string, Advances>;

function advancesOf({ operands, minLength, lineRange }: LineProgram, tables: AdvanceTables): Advances {
  const key = `${operands.length} ${minLength} ${lineRange}`;
  const known = tables.get(key);
  if (known !== undefined) return known;
  const first = operands.length + 1;
  const advance = (code: number): number => minLength * Math.floor((code - first) / lineRange);
  const made = Array.from({ length: 256 }, (_, code) => {
    if (code >= first) return advance(code);
    return code === lineOpcode.constAddPc ? advance(255) : 0;
  });
  tables.set(key, made);
  return made;
}

/** The address that is set, or what else is of interest. */
function readExtended(s: DebugSections, r: Reader): number | 'end' | 'other' {
  const length = r.u32();
  const end = r.at + length;
  if (length > r.left) r.fail('an extended opcode that is longer than the line table');
  const code = length === 0 ? 0 : r.u8();
  if (code === extendedLineOpcode.setAddress && length !== 5)
    r.fail('a line table with an address that is not of 4 bytes');
  const address = code === extendedLineOpcode.setAddress ? s.fixed(r, 4) : undefined;
  r.at = end;
  return address ?? (code === extendedLineOpcode.endSequence ? 'end' : 'other');
}
