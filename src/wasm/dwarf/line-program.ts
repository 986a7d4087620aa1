// Line programs of `.debug_line`: which line each piece of code comes from.

import { Reader } from '../index.ts';
import type { LineHeader } from './line-header.ts';
import type { DebugSections } from './sections.ts';

export interface LineRow {
  address: number;
  file: number;
  line: number;
}

/** The standard opcodes (DWARF 5, 6.2.5.2) that matter here; of the others the operands are passed over. */
export const lineOpcode = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  constAddPc: 8,
  fixedAdvancePc: 9,
} as const;
export const extendedLineOpcode = { endSequence: 1, setAddress: 2 } as const;

/** Runs a line program; `visit` gets each row, in one object that is used again. */
export function runLines(
  s: DebugSections,
  header: LineHeader,
  visit: (row: Readonly<LineRow>) => void,
): void {
  const { minLength, lineBase, lineRange, operands } = header;
  const r = new Reader(s.module.bytes, header.program, header.end);
  const firstSpecial = operands.length + 1;
  if (lineRange === 0) r.fail('a line table without a range of lines');
  const row: LineRow = { address: 0, file: 1, line: 1 };
  const special = (adjusted: number): void => {
    row.address += minLength * Math.floor(adjusted / lineRange);
  };
  while (!r.done) {
    const code = r.u8();
    if (code >= firstSpecial) {
      special(code - firstSpecial);
      row.line += lineBase + ((code - firstSpecial) % lineRange);
      visit(row);
    } else if (code === 0) runExtended(s, r, row);
    else if (code === lineOpcode.copy) visit(row);
    else if (code === lineOpcode.advancePc) row.address += minLength * r.u32();
    else if (code === lineOpcode.advanceLine) row.line += r.s32();
    else if (code === lineOpcode.setFile) row.file = r.u32();
    else if (code === lineOpcode.constAddPc) special(255 - firstSpecial);
    else if (code === lineOpcode.fixedAdvancePc) row.address += s.fixed(r, 2);
    else for (let i = operands[code - 1] ?? 0; i > 0; i -= 1) r.skip64(false);
  }
}

function runExtended(s: DebugSections, r: Reader, row: LineRow): void {
  const length = r.count('bytes of an extended opcode');
  const end = r.at + length;
  const code = length === 0 ? 0 : r.u8();
  if (code === extendedLineOpcode.setAddress) row.address = length === 9 ? s.fixed64(r) : s.fixed(r, 4);
  if (code === extendedLineOpcode.endSequence) Object.assign(row, { address: 0, file: 1, line: 1 });
  if (r.at > end) r.fail('an extended opcode that is longer than it says');
  r.at = end;
}
