// What a build says of itself.

import type { Callbacks, Manifest, MemoryNeed, PatchImport } from '../patch/index.ts';
import { type FuncIndex, type SlotIndex, Writer } from '../wasm/index.ts';
import type { SourcePosition } from './dwarf/index.ts';
import type { FunctionItem } from './items.ts';
import type { LinkResult, LinkUnit } from './link.ts';
import type { ProgramData } from './program-data.ts';
import { copiedFile, type RedirectedFunction } from './replaced.ts';
import type { Target } from './target.ts';

export interface BuildReport {
  /** Build id of the patch, hex. */
  readonly id: string;
  readonly functions: readonly ReportedFunction[];
  /** Names of the further functions that the patch carries. */
  readonly added: readonly string[];
  /** Names of its callbacks' functions. */
  readonly callbacks?: Callbacks;
  readonly imports: readonly PatchImport[];
  readonly memory: MemoryNeed | undefined;
  /** How many functions of the patch get a place in the program's table. */
  readonly tableEntries: number;
  readonly sizeBytes: number;
  /** What the author should know, one sentence each. */
  readonly notes: readonly string[];
  readonly elapsedMs: number;
}

export interface ReportedFunction {
  readonly name: string;
  /** Index in the prepared module. */
  readonly index: FuncIndex;
  readonly slot: SlotIndex;
  readonly type: string;
  readonly file: string;
  /** Where the new version was written: known of builds with debug information. */
  readonly source?: SourcePosition;
  /** Size of the new body. */
  readonly sizeBytes: number;
  /** Nobody wrote it: it comes along because of what it calls. */
  readonly copied?: true;
}

export function makeReport(
  patch: { readonly id: string; readonly manifest: Manifest; readonly module: Uint8Array },
  replaced: readonly RedirectedFunction[],
  linked: LinkResult,
  more: Pick<BuildReport, 'notes' | 'elapsedMs'>,
): BuildReport {
  const { manifest } = patch;
  const items = new Map(linked.replacements.map((r) => [r.index, r.item]));
  return {
    id: patch.id,
    functions: replaced.map((f) => ({
      name: f.name,
      index: f.index,
      slot: f.slot,
      type: f.entry.type,
      file: f.file,
      ...(f.position === undefined ? {} : { source: f.position }),
      sizeBytes: bodySize(items.get(f.index)),
      ...(f.file === copiedFile ? { copied: true as const } : {}),
    })),
    added: addedNames(linked),
    ...reportedCallbacks(linked),
    imports: manifest.imports,
    memory: manifest.memory,
    tableEntries: linked.tableSize,
    sizeBytes: patch.module.length,
    ...more,
  };
}

function bodySize(item: FunctionItem | undefined): number {
  const body = new Writer(256);
  item?.write(body);
  return body.length;
}

function addedNames(linked: LinkResult): string[] {
  const called = new Set([...linked.replacements, ...linked.callbacks].map((r) => r.item));
  return linked.assembly.functions
    .filter((f) => !called.has(f) && !f.generated)
    .map((f) => f.name ?? `function ${f.index}`);
}

function reportedCallbacks({ callbacks }: LinkResult): Pick<BuildReport, 'callbacks'> {
  if (callbacks.length === 0) return {};
  return { callbacks: Object.fromEntries(callbacks.map((c) => [c.name, c.item.name ?? c.export])) };
}

const namesShown = 5;

/** Why functions that nobody changed are in the patch, a sentence for each function without a slot. */
export function noteCallers(
  because: ReadonlyMap<FuncIndex, FuncIndex>,
  nameOf: (index: FuncIndex) => string,
): string[] {
  return [...Map.groupBy(because.keys(), (caller) => because.get(caller) ?? caller)].map(
    ([callee, callers]) => {
      const names = callers.slice(0, namesShown).map((f) => `"${nameOf(f)}"`);
      const more = callers.length - names.length;
      const all = [...names, ...(more === 0 ? [] : [`${more} more`])].join(', ');
      const [come, call] = callers.length === 1 ? ['comes', 'it calls'] : ['come', 'they call'];
      return `${all} ${come} along because ${call} "${nameOf(callee)}", which has no guard`;
    },
  );
}

/** A source that was copied from the program brings functions and data along of which the program goes on using its own. */
export function noteDuplicates(
  target: Target,
  units: readonly LinkUnit[],
  linked: LinkResult,
  data: ProgramData,
): string[] {
  const notes: string[] = [];
  const added = new Set(addedNames(linked));
  for (const { unit, replacements } of units) {
    if (unit.kind === 'build') continue; // from-builds/ knows why it brings what
    for (const [index, name] of unit.names) {
      const own = index >= unit.module.imported.func && !replacements.has(index) && added.has(name);
      if (own && target.functionsByName.has(name))
        notes.push(`${unit.file} brings its own "${name}"; the program's "${name}" stays as it is`);
    }
    for (const e of unit.kind === 'c' ? unit.module.exports : []) {
      if (e.kind === 'global' && data.has(e.name))
        notes.push(`${unit.file} brings its own data "${e.name}"; declare it extern to use the program's`);
    }
  }
  return notes;
}
