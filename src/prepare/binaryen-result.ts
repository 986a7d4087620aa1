// What binaryen wrote, checked against what it was given, and with the custom sections put back. Everything that the slot
// map says by number must still be true: function indices, slot words, exports, types.

import { WgraftError } from '../errors.ts';
import {
  bodyReader,
  findCustom,
  funcType,
  op,
  Reader,
  type Section,
  sectionIds,
  showFuncType,
  type WasmModule,
  Writer,
} from '../wasm/index.ts';
import type { Places } from './additions.ts';
import { isGuarded, type Plan } from './plan.ts';

/** True for the custom sections that binaryen understands and that must change when it moves code. */
export function isForBinaryen(name: string): boolean {
  return name === 'name' || name.startsWith('metadata.code.');
}

/** The module that binaryen emitted, with the custom sections of the spliced one. @throws WGRAFT_ERR_INTERNAL */
export function adopt(
  emitted: WasmModule,
  spliced: WasmModule,
  { plan, places }: { plan: Plan; places: Places },
): { out: Writer; dropped: readonly string[] } {
  checkDeclarations(emitted, spliced);
  checkFunctions(emitted, spliced, places);
  checkGuards(emitted, plan, places);
  return withCustomSections(emitted, spliced);
}

function refuse(what: string): never {
  throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `binaryen changed ${what}` });
}

const byKind = ([a = '']: string[], [b = '']: string[]): number => (a < b ? -1 : Number(a > b));

function checkDeclarations(a: WasmModule, b: WasmModule): void {
  const spaces = ['functions', 'tables', 'memories', 'globals', 'tags'] as const;
  for (const space of spaces) if (a[space].length !== b[space].length) refuse(`the number of ${space}`);
  // binaryen groups imports by kind; what counts is their place within a kind, which is their index.
  const imports = (m: WasmModule): string =>
    JSON.stringify(m.imports.map((i) => [i.kind, i.module, i.name]).sort(byKind));
  if (imports(a) !== imports(b)) refuse('the imports');
  if (JSON.stringify(a.exports) !== JSON.stringify(b.exports)) refuse('the exports');
  if (a.start !== b.start) refuse('the start function');
}

/** The passive segments of `__wgraft_fill` name every function: what stands at place i there is function i. */
function checkFunctions(a: WasmModule, b: WasmModule, places: Places): void {
  const count = places.set;
  const named = a.elements.filter((s) => s.mode === 'passive').flatMap((s) => s.functions);
  const own = named.slice(named.length - count);
  if (own.length !== count || own.some((f, i) => f !== i)) refuse('the order of functions');
  for (let i = 0; i < count; i += 1) {
    const [was, is] = [showFuncType(funcType(b, i)), showFuncType(funcType(a, i))];
    // Types that refer to others by index are renumbered; the engine's validation holds those.
    if (was !== is && !was.includes('$')) refuse(`the type of function ${i} from ${was} to ${is}`);
  }
}

/** Each function begins with a look at the slot word that the slot map gives it. */
function checkGuards(a: WasmModule, plan: Plan, places: Places): void {
  for (const { moved, slot } of plan.functions.filter(isGuarded)) {
    const body = a.bodies[moved - a.imported.func] ?? refuse(`function ${moved}`);
    const r = bodyReader(a.bytes, body);
    const isGuard = r.u8() === op.globalGet && r.u32() === places.firstSlot + slot;
    if (!isGuard || r.u8() !== op.i32Eqz || r.u8() !== op.if) refuse(`the guard of function ${moved}`);
  }
}

function withCustomSections(emitted: WasmModule, spliced: WasmModule): { out: Writer; dropped: string[] } {
  const out = new Writer(emitted.bytes.length + 4096).raw(emitted.bytes.subarray(0, 8));
  const customs = spliced.sections.filter((s) => s.id === sectionIds.custom);
  const first = spliced.sections.findIndex((s) => s.id !== sectionIds.custom);
  const leading = customs.filter((s) => spliced.sections.indexOf(s) < first && !isForBinaryen(s.name));
  for (const s of leading) copySection(spliced, s, out);
  for (const s of emitted.sections)
    if (s.id !== sectionIds.custom || s.name.startsWith('metadata.code.')) copySection(emitted, s, out);
  const dropped: string[] = [];
  for (const s of customs) {
    if (leading.includes(s)) continue;
    if (s.name === 'name') out.custom('name', mergeNames(spliced, s, emitted));
    else if (!isForBinaryen(s.name)) copySection(spliced, s, out);
    else if (findCustom(emitted.sections, s.name) === undefined) dropped.push(s.name);
  }
  return { out, dropped };
}

function copySection(m: WasmModule, s: Section, out: Writer): void {
  out.copy(m.bytes, s.start, s.end);
}

/**
 * Names of the module and of functions as they were: binaryen renames duplicates. The other subsections are binaryen's,
 * because it renumbers locals, labels and types.
 */
function mergeNames(spliced: WasmModule, ours: Section, emitted: WasmModule): Uint8Array {
  const kept = new Set([0, 1]);
  const own = subsections(spliced, ours).filter(([id]) => kept.has(id));
  const found = findCustom(emitted.sections, 'name');
  const theirs = found === undefined ? [] : subsections(emitted, found).filter(([id]) => !kept.has(id));
  const out = new Writer(1024);
  for (const [id, payload] of [...own, ...theirs]) out.section(id, payload);
  return out.toBytes();
}

/** The parts of a name section, up to the first damaged one. */
function subsections(m: WasmModule, section: Section): [number, Uint8Array][] {
  const r = new Reader(m.bytes, section.payload, section.end);
  const parts: [number, Uint8Array][] = [];
  try {
    while (!r.done) {
      const id = r.u8();
      parts.push([id, r.take(r.u32())]);
    }
  } catch (error) {
    if (!WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) throw error;
  }
  return parts;
}
