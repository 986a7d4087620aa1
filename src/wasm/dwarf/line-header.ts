// Headers of `.debug_line`: which files a unit was made from.
//
//   header := length:u32 version:u16 [address:u8 segment:u8] headerLength:u32 minLength:u8 [maxOps:u8] defaultIsStatement:u8
//             lineBase:s8 lineRange:u8 opcodeBase:u8 lengths:u8*(opcodeBase-1) files; then the program, up to length
//   Version 5 has the address part and describes its files by forms; maxOps is there from version 4.

import type { Reader } from '../index.ts';
import { form } from './constants.ts';
import { isTextIndex, readValue } from './forms.ts';
import type { DebugSections } from './sections.ts';
import type { Unit } from './units.ts';

/** What a line program starts with, and where it stands. */
export interface LineProgram {
  readonly version: number;
  readonly minLength: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly operands: readonly number[];
  readonly addressSize: number;
  readonly program: number;
  readonly end: number;
}

export interface LineHeader extends LineProgram {
  readonly files: readonly LineFile[];
  readonly directories: readonly string[];
}

interface LineFile {
  readonly name: string;
  readonly directory: number;
}

/** Reads the header at that offset. */
export function readLineHeader(s: DebugSections, offset: number, unit: Unit): LineHeader {
  const r = s.reader('.debug_line', offset);
  const start = r.at;
  const program = readLineProgram(s, r, unit.addressSize);
  const names = program.version === 5 ? formedNames(s, r, unit) : plainNames(s, r);
  s.charge(r, r.at - start);
  return { ...program, ...names };
}

/** Reads the header at the reader's place up to its names. `addressSize` is that of the unit, for versions that do not say. */
export function readLineProgram(s: DebugSections, r: Reader, addressSize: number): LineProgram {
  const length = s.fixed(r, 4);
  if (length > r.left) r.fail('a line table is longer than its section');
  const end = r.at + length;
  const version = s.fixed(r, 2);
  if (version < 2 || version > 5) r.fail(`line tables of DWARF version ${version} are not read`);
  const ownSize = version === 5 ? s.fixed(r, 1) : addressSize;
  if (version === 5) r.skip(1);
  const headerLength = s.fixed(r, 4);
  const program = r.at + headerLength;
  if (program > end) r.fail('the header of a line table is longer than the table');
  const minLength = r.u8();
  r.skip(version >= 4 ? 2 : 1);
  const lineBase = (r.u8() << 24) >> 24;
  const lineRange = r.u8();
  const opcodes = r.u8();
  const operands = Array.from({ length: Math.max(0, opcodes - 1) }, () => r.u8());
  return { version, minLength, lineBase, lineRange, operands, addressSize: ownSize, program, end };
}

type Names = Pick<LineHeader, 'files' | 'directories'>;

function plainNames(s: DebugSections, r: Reader): Names {
  const directories = ['']; // 0 is the folder that the compiler ran in
  for (let name = s.text(r); name !== ''; name = s.text(r)) directories.push(name);
  const files: LineFile[] = [{ name: '', directory: 0 }]; // counted from 1
  for (let name = s.text(r); name !== ''; name = s.text(r)) {
    files.push({ name, directory: r.u32() });
    r.skip64(false); // when it was changed
    r.skip64(false); // its size
  }
  return { files, directories };
}

function formedNames(s: DebugSections, r: Reader, unit: Unit): Names {
  const directories = formed(s, r, unit).map((d) => d.name);
  return { directories, files: formed(s, r, unit) };
}

/** DW_LNCT_path, DW_LNCT_directory_index. */
const [pathContent, directoryContent] = [1, 2];

function formed(s: DebugSections, r: Reader, unit: Unit): LineFile[] {
  const formats = Array.from({ length: r.u8() }, () => ({ content: r.u32(), form: r.u32() }));
  const count = r.count('files of a line table', formats.length === 0 ? Number.POSITIVE_INFINITY : 1);
  s.charge(r, count * formats.length);
  return Array.from({ length: count }, () => {
    const file = { name: '', directory: 0 };
    for (const { content, form: f } of formats) {
      if (content === pathContent) file.name = textOf(s, r, f, unit);
      else {
        const { value } = readValue(s, r, f, { implicit: 0, addressSize: unit.addressSize });
        if (content === directoryContent) file.directory = value;
      }
    }
    return file;
  });
}

function textOf(s: DebugSections, r: Reader, f: number, unit: Unit): string {
  if (f === form.string) return s.text(r);
  const { value } = readValue(s, r, f, { implicit: 0, addressSize: unit.addressSize });
  if (f === form.strp) return s.text(s.reader('.debug_str', value));
  if (f === form.lineStrp) return s.text(s.reader('.debug_line_str', value));
  if (!isTextIndex(f)) return '';
  return s.text(
    s.reader('.debug_str', s.fixed(s.reader('.debug_str_offsets', unit.textsBase + 4 * value), 4)),
  );
}

/** The path of a file as the compiler was given it: relative to where it ran, if it can be. */
export function filePath({ files, directories, version }: LineHeader, index: number): string | undefined {
  const file = files[index];
  if (file === undefined || file.name === '') return undefined;
  const root = version === 5 ? (directories[0] ?? '') : '';
  const directory = directories[file.directory] ?? '';
  const path = file.name.startsWith('/') || directory === '' ? file.name : `${directory}/${file.name}`;
  const inside = root !== '' && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  return inside.replace(/^(\.\/)+/, '');
}
