// LLVM's dwarfdump, as an independent reader of debug information, where one is installed (LLVM's own; @yowasp/clang has none).

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { readSections } from '../../src/wasm/index.ts';

const run = promisify(execFile);

/** One entry: its tag, how deep it stands, and its attributes as they are printed. */
export interface DumpedEntry {
  readonly tag: string;
  readonly depth: number;
  readonly attributes: Readonly<Record<string, string>>;
}

async function findDwarfdump(): Promise<string | undefined> {
  for (const name of ['llvm-dwarfdump', 'llvm-dwarfdump-19', 'llvm-dwarfdump-22']) {
    const found = await run(name, ['--version']).then(
      () => name,
      () => undefined,
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

export const dwarfdump: string | undefined = await findDwarfdump();

/** What `llvm-dwarfdump --debug-info` prints of a module. */
export async function dumpInfo(wasm: Uint8Array): Promise<DumpedEntry[]> {
  return parse(await dump(wasm, '--debug-info'));
}

/** The text that llvm-dwarfdump prints of a module. */
export async function dump(wasm: Uint8Array, ...flags: readonly string[]): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'wgraft-dwarf-'));
  try {
    const file = path.join(folder, 'module.wasm');
    await writeFile(file, withoutSymbols(wasm));
    const options = { maxBuffer: 256 * 1024 * 1024 };
    const { stdout } = await run(dwarfdump ?? '', [...flags, file], options);
    return stdout.replaceAll(file, 'module.wasm');
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Some versions refuse the absolute symbols that newer linkers write; the debug information needs none. */
function withoutSymbols(wasm: Uint8Array): Uint8Array {
  const kept = readSections(wasm).filter((s) => s.name !== 'linking' && !s.name.startsWith('reloc.'));
  return Buffer.concat([wasm.subarray(0, 8), ...kept.map((s) => wasm.subarray(s.start, s.end))]);
}

function parse(text: string): DumpedEntry[] {
  const entries: { tag: string; depth: number; attributes: Record<string, string> }[] = [];
  for (const line of text.split('\n')) {
    const entry = /^0x[0-9a-f]{8}:( +)DW_TAG_(\w+)/.exec(line);
    if (entry !== null) entries.push({ tag: entry[2] ?? '', depth: (entry[1] ?? '').length, attributes: {} });
    const attribute = /^\s+DW_AT_(\w+)\t\((.*)\)$/.exec(line);
    const last = entries.at(-1);
    if (attribute !== null && last !== undefined) last.attributes[attribute[1] ?? ''] = attribute[2] ?? '';
  }
  return entries;
}
