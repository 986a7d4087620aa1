// What `inspect` finds in a file, as data and as text.

import type { Manifest, SlotMap } from '../patch/index.ts';
import { findSlotMap, patchSection, readPatch } from '../patch/index.ts';
import {
  findCustom,
  funcType,
  readBuildId,
  readFunctionNames,
  readModule,
  showFuncType,
  type WasmModule,
} from '../wasm/index.ts';
import { type CrossCheck, crossCheckSections, type SeenSection } from '../wasm/second-reader.ts';
import type { Output } from './output.ts';
import { plural, table } from './table.ts';

interface SectionFact {
  readonly name: string;
  readonly custom: boolean;
  /** Offset of the section's first byte, and its whole size. */
  readonly offset: number;
  readonly sizeBytes: number;
}

interface FunctionFact {
  readonly index: number;
  readonly name?: string;
  readonly type: string;
  readonly slot?: number;
  /** The entries of the program's table that are its slot, where that is no guard. */
  readonly tableEntries?: readonly number[];
  /** Why it has no slot. */
  readonly slotless?: string;
}

export interface Description {
  readonly kind: 'module' | 'prepared' | 'patch';
  readonly sizeBytes: number;
  readonly buildId?: string;
  readonly sections: readonly SectionFact[];
  readonly secondReader: CrossCheck;
  readonly functions: readonly FunctionFact[];
  readonly imports: number;
  readonly exports: number;
  readonly prepared?: Omit<SlotMap, 'functions'>;
  readonly patch?: Manifest;
}

/** Reads a file of any kind. @throws WGRAFT_ERR_WASM_MALFORMED, WGRAFT_ERR_NOT_A_PATCH */
export async function describeFile(bytes: Uint8Array): Promise<Description> {
  const m = readModule(bytes);
  const patch = findCustom(m.sections, patchSection) === undefined ? undefined : readPatch(bytes).manifest;
  const map = findSlotMap(bytes);
  const id = readBuildId(bytes, m.sections);
  const { functions: mapped, ...prepared } = map ?? { functions: undefined };
  return {
    kind: patch !== undefined ? 'patch' : map !== undefined ? 'prepared' : 'module',
    sizeBytes: bytes.length,
    ...(id === undefined ? {} : { buildId: Buffer.from(id).toString('hex') }),
    sections: m.sections.map((s) => ({
      name: s.name,
      custom: s.id === 0,
      offset: s.start,
      sizeBytes: s.end - s.start,
    })),
    secondReader: await crossCheckSections(bytes),
    functions: mapped === undefined ? ownFunctions(m) : mapped.map(mappedFunction),
    imports: m.imports.length,
    exports: m.exports.length,
    ...(map === undefined ? {} : { prepared: prepared as Omit<SlotMap, 'functions'> }),
    ...(patch === undefined ? {} : { patch }),
  };
}

function ownFunctions(m: WasmModule): FunctionFact[] {
  const names = readFunctionNames(m.bytes, m.sections);
  return m.bodies.map((_, i) => {
    const index = m.imported.func + i;
    const name = names.get(index);
    return { index, ...(name === undefined ? {} : { name }), type: showFuncType(funcType(m, index)) };
  });
}

function mappedFunction(f: SlotMap['functions'][number]): FunctionFact {
  return {
    index: f.index,
    ...(f.name === undefined ? {} : { name: f.name }),
    type: f.type,
    ...(f.slot === undefined ? {} : { slot: f.slot }),
    ...(f.tableEntries.length === 0 ? {} : { tableEntries: f.tableEntries }),
    ...(f.reason === undefined ? {} : { slotless: f.reason }),
  };
}

/** Lays a description out. */
export async function showDescription(output: Output, file: string, d: Description): Promise<string> {
  const { default: prettyBytes } = await import('pretty-bytes');
  const head = `${file}   ${kinds[d.kind]}, ${prettyBytes(d.sizeBytes)}\n`;
  const parts = [head + facts(d).join('\n')];
  if (d.patch !== undefined) parts.push(await showPatch(output, d.patch));
  parts.push(await showSections(output, d));
  if (output.verbose && d.functions.length > 0) parts.push(await showFunctions(output, d));
  return `${parts.map((p) => p.trimEnd()).join('\n\n')}\n`;
}

const kinds = { module: 'a module, not prepared', prepared: 'a prepared module', patch: 'a patch' } as const;

function facts(d: Description): string[] {
  const lines = [`build id   ${d.buildId ?? 'none'}`];
  const counts = [
    plural(d.functions.length, 'function'),
    plural(d.imports, 'import'),
    plural(d.exports, 'export'),
  ];
  if (d.prepared !== undefined) {
    const slots = d.functions.filter((f) => f.slot !== undefined).length;
    const { tool, engine, policy, fentry, original } = d.prepared;
    counts.splice(1, 0, plural(slots, 'slot'));
    lines.push(
      `prepared   by ${tool}, ${engine} engine, slots ${policy}${fentry === undefined ? '' : `, marked by ${fentry}`}`,
    );
    lines.push(`original   sha256 ${original}`);
  }
  return [...lines, `has        ${counts.join(', ')}`];
}

async function showPatch(output: Output, patch: Manifest): Promise<string> {
  const { metadata, target, memory } = patch;
  const lines = [
    `name       ${patch.name}`,
    `for build  ${target.buildId}${target.name === undefined ? '' : ` (${target.name})`}`,
  ];
  if (metadata.description !== undefined) lines.push(`what       ${metadata.description}`);
  if (metadata.author !== undefined) lines.push(`author     ${metadata.author}`);
  if (metadata.cves !== undefined && metadata.cves.length > 0)
    lines.push(`cves       ${metadata.cves.join(', ')}`);
  if (memory !== undefined) {
    const needed = memory.sizeBytes === 0 ? 'for shadow variables' : plural(memory.sizeBytes, 'byte');
    lines.push(`memory     ${needed}, from ${showAllocator(memory.allocator)}`);
  }
  if (patch.table !== undefined)
    lines.push(`table      ${plural(patch.table.size, 'entry').replace('entrys', 'entries')}`);
  lines.push(...showRules(patch));
  const rows = patch.replaces.map((r) => [r.name ?? `#${r.index}`, r.index, r.slot, r.type]);
  const replaced = await table(output, ['REPLACES', 'INDEX', 'SLOT', 'TYPE'], rows);
  if (!output.verbose || patch.imports.length === 0)
    return `${lines.join('\n')}\nimports    ${patch.imports.length}\n\n${replaced}`;
  const imports = patch.imports.map((i) => [`${i.module}.${i.name}`, showSource(i)]);
  return `${lines.join('\n')}\n\n${replaced}\n${await table(output, ['NEEDS', 'FROM'], imports)}`;
}

/** What the patch asks of the runtime besides replaced functions. */
function showRules({ callbacks = {}, states = [], cumulative = false, model }: Manifest): string[] {
  const lines: string[] = [];
  if (cumulative) lines.push('cumulative takes the place of all patches that are applied');
  if (model !== undefined) lines.push(`model      ${model}`);
  if (states.length > 0)
    lines.push(`states     ${states.map(({ id, version }) => `${id} (version ${version})`).join(', ')}`);
  const called = Object.entries(callbacks).map(([callback, name]) => `${callback} (${name})`);
  if (called.length > 0) lines.push(`callbacks  ${called.join(', ')}`);
  return lines;
}

function showAllocator(allocator: NonNullable<Manifest['memory']>['allocator']): string {
  if (allocator.kind === 'grow') return 'growing the memory';
  return allocator.name ?? `function #${allocator.index}`;
}

function showSource(i: Manifest['imports'][number]): string {
  if (i.from === 'host') return `host ${i.host.module}.${i.host.name}`;
  if ('operation' in i) return `${i.from} ${i.operation}`;
  if (i.from === 'address') return `address ${i.address}`;
  return 'index' in i ? `${i.from} #${i.index}` : i.from;
}

async function showSections(output: Output, d: Description): Promise<string> {
  const rows = d.sections.map((s) => [s.custom ? `${s.name} (custom)` : s.name, s.offset, s.sizeBytes]);
  const shown = await table(output, ['SECTION', 'OFFSET', 'BYTES'], rows);
  return `${shown}${output.style('detail', `second reader: ${showCrossCheck(d.secondReader)}`)}`;
}

/** What a second reader made of a file, in a line. */
export function showCrossCheck(check: CrossCheck): string {
  switch (check.kind) {
    case 'agrees':
      return `agrees on ${plural(check.sections, 'section')}`;
    case 'cannot-read':
      return `cannot read this module (${check.reason}); that is no error`;
    case 'differs':
      return `DIFFERS: ${showSeen(check.ours)} here, ${showSeen(check.theirs)} there; please report it`;
  }
}

function showSeen(section: SeenSection | undefined): string {
  return section === undefined ? 'no section' : `${section.name} ${section.start}-${section.end}`;
}

async function showFunctions(output: Output, d: Description): Promise<string> {
  const rows = d.functions.map((f) => {
    return [f.index, showSlot(f), f.name ?? '', f.type];
  });
  return table(output, ['FUNCTION', 'SLOT', 'NAME', 'TYPE'], rows);
}

function showSlot({ slot, tableEntries, slotless }: FunctionFact): string {
  if (slot === undefined) return slotless === undefined ? '-' : `- (${slotless})`;
  return tableEntries === undefined ? String(slot) : `${slot} (table ${tableEntries.join(', ')})`;
}
