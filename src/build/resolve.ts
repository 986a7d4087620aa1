// Which binding each import of a unit gets. Names are resolved the way the unit's language means them: in WAT the import's
// module name says what is asked for, in C the conventions of `wasm-ld -shared` do.

import { WgraftError } from '../errors.ts';
import { globalOffer, type ImportSource, reservedExport } from '../patch/index.ts';
import {
  type FuncIndex,
  type GlobalIndex,
  type Import,
  op,
  Reader,
  segmentAddress,
  type TypeTable,
  walkConstant,
} from '../wasm/index.ts';
import { type Binding, showImport } from './binding.ts';
import { findFunction, nearNames } from './function-reference.ts';
import { checkImportType } from './import-types.ts';
import type { ProgramData } from './program-data.ts';
import { runtimeFunction, runtimeFunctionNames } from './runtime-functions.ts';
import { hasSlot, showTargetFunction, type Target } from './target.ts';
import { findExport, type Unit } from './unit.ts';

export interface Resolution {
  readonly target: Target;
  readonly types: TypeTable;
  /** The program's functions that the patch replaces. */
  readonly replaced: ReadonlySet<FuncIndex>;
  readonly data: ProgramData;
  /** Host imports that the program does not have and the patch may: MODULE.NAME. */
  readonly allowImports: readonly string[];
}

/**
 * Resolves one import.
 * @throws WGRAFT_ERR_IMPORT_UNRESOLVED, WGRAFT_ERR_IMPORT_TYPE, WGRAFT_ERR_IMPORT_NOT_ALLOWED, WGRAFT_ERR_FUNCTION_UNKNOWN,
 *   WGRAFT_ERR_FUNCTION_AMBIGUOUS, WGRAFT_ERR_SYMBOLS_MISSING
 */
export function resolveImport(r: Resolution, unit: Unit, i: Import): Binding {
  switch (i.module) {
    case 'target':
      return programItem(r, unit, i, i.name);
    case 'original':
      return original(r, unit, i);
    case 'patch':
      return runtimeFunction(unit, i) ?? base(unit, i, i.name);
    case 'address':
    case 'GOT.mem':
      return address(r, unit, i);
    case 'GOT.func':
      return functionAddress(r, unit, i);
    case 'host':
      return hostImport(r, unit, i, splitHostName(r.target, i.name));
    case 'env':
      if (unit.kind === 'c') return linkerImport(r, unit, i);
  }
  return hostImport(r, unit, i, i);
}

/** What `wasm-ld -shared` imports from "env": its own few names, else something of the program. */
function linkerImport(r: Resolution, unit: Unit, i: Import): Binding {
  switch (i.name) {
    case '__memory_base':
    case '__table_base':
      return base(unit, i, i.name.slice(2));
    case 'memory':
    case '__indirect_function_table':
      return programItem(r, unit, i, '#0');
    case '__tls_base':
    case '__tls_size':
      return unresolved(unit, i, 'a patch cannot have thread-local variables of its own');
    default:
      return programItem(r, unit, i, i.name);
  }
}

function programItem(r: Resolution, unit: Unit, i: Import, name: string): Binding {
  const index = i.kind === 'func' ? findFunction(r.target, name) : findItem(r.target, unit, i, name);
  checkImportType({ ...r, unit }, i, index);
  if (i.kind === 'global' && isCopied(r.target, index)) return constant(r, unit, i, index);
  const label = i.kind === 'func' ? showTargetFunction(r.target, index) : `${i.kind} ${name}`;
  return { kind: 'import', source: { from: i.kind, index }, label };
}

/** A memory, table, global or tag: by its name or an export's, by #INDEX, or any name where there is only one memory or table. */
function findItem(target: Target, unit: Unit, i: Import & { kind: ItemKind }, name: string): number {
  const named = i.kind === 'global' ? (target.globalsByName.get(name) ?? []) : [];
  if (named.length > 1)
    return unresolved(unit, i, `the program has ${named.length}: ${named.map((n) => `#${n}`).join(', ')}`);
  const { exports } = target.module;
  const exported = exports.find((e) => e.kind === i.kind && e.name === name)?.index;
  const numbered = /^#(\d{1,10})$/.exec(name)?.[1];
  const index =
    named[0] ?? exported ?? (numbered === undefined ? onlyItem(target, i.kind) : Number(numbered));
  // A prepared module exports all that a patch may reach, save what never changes; its own additions are not among it.
  const reachable =
    index !== undefined &&
    (isExported(target, i.kind, index) ||
      (i.kind === 'global' && target.module.globals[index]?.mutable === false));
  if (reachable) return index;
  const near = i.kind === 'global' ? nearNames(name, target.globalsByName.keys()) : [];
  const remedy = near.length === 0 ? 'name it by its index: #INDEX' : `did you mean "${near[0]}"?`;
  return unresolved(unit, i, `the program has no ${i.kind} "${name}"`, remedy);
}

type ItemKind = 'memory' | 'table' | 'global' | 'tag';

function isExported({ module }: Target, kind: ItemKind, index: number): boolean {
  return module.exports.some((e) => e.name === reservedExport(kind, index));
}

/** A number that never changes: no prepared module gives it. */
function isCopied({ module: { globals, types } }: Target, index: GlobalIndex): boolean {
  const found = globals[index];
  return found !== undefined && globalOffer(found, types) === 'copy';
}

/** The program's only memory or table. */
function onlyItem(target: Target, kind: ItemKind): number | undefined {
  if (kind !== 'memory' && kind !== 'table') return undefined;
  return isExported(target, kind, 1) ? undefined : 0;
}

/** A number that never changes is not exported by a prepared module: its value is copied. */
function constant(r: Resolution, unit: Unit, i: Import, index: number): Binding {
  const init = r.target.module.globals[index]?.init;
  if (init === undefined)
    return unresolved(unit, i, 'it is an immutable global that the program itself imports');
  let plain = true;
  walkConstant(new Reader(r.target.module.bytes, init.start, init.end), (instruction) => {
    plain &&= instruction.opcode === op.end || (instruction.opcode >= 0x41 && instruction.opcode <= 0x44);
  });
  if (!plain) return unresolved(unit, i, 'it is an immutable global whose value is not a plain number');
  return { kind: 'program-constant', index };
}

function original(r: Resolution, unit: Unit, i: Import): Binding {
  if (i.kind !== 'func') return unresolved(unit, i, 'only a function has an original');
  const index = findFunction(r.target, i.name);
  checkImportType({ ...r, unit }, i, index);
  if (r.replaced.has(index)) return { kind: 'original', index };
  const label = showTargetFunction(r.target, index);
  const remedy = `import "target" ${JSON.stringify(i.name)} instead`;
  return unresolved(unit, i, `this patch does not replace "${label}"`, remedy);
}

function base(unit: Unit, i: Import, name: string): Binding {
  const known = { memory_base: 'memory-base', table_base: 'table-base' } as const;
  const kind = name === 'memory_base' || name === 'table_base' ? known[name] : undefined;
  if (kind === undefined)
    return unresolved(unit, i, `a patch offers memory_base, table_base, ${runtimeFunctionNames.join(', ')}`);
  wantI32(unit, i, false);
  return { kind };
}

function address(r: Resolution, unit: Unit, i: Import): Binding {
  wantI32(unit, i);
  const own = unit.kind === 'c' ? findExport(unit, 'global', i.name) : undefined;
  if (own !== undefined) return { kind: 'own-address', offset: ownOffset(unit, own) };
  return { kind: 'address', address: r.data.addressOf(i.name, unit.file) };
}

/** The value of an exported data symbol: its distance from the start of the unit's data. */
function ownOffset(unit: Unit, index: number): number {
  const init = unit.module.globals[index]?.init;
  const offset = init && segmentAddress(unit.module, { offset: init });
  return (
    offset ??
    new Reader(unit.module.bytes).fail('exported data symbol without a constant offset', init?.start ?? 0)
  );
}

/** The address of a function: the program's if it replaces or is one of the program's, so that pointers compare equal. */
function functionAddress(r: Resolution, unit: Unit, i: Import): Binding {
  wantI32(unit, i);
  const own = unit.kind === 'c' ? findExport(unit, 'func', i.name) : undefined;
  const replaces = [...r.replaced].find(
    (index) => hasSlot(r.target, index) && showTargetFunction(r.target, index) === i.name,
  );
  if (own !== undefined && replaces === undefined) return { kind: 'own-function-address', index: own };
  const index = replaces ?? findFunction(r.target, i.name);
  const source: ImportSource = { from: 'function-address', index };
  return { kind: 'import', source, label: `&${showTargetFunction(r.target, index)}` };
}

function wantI32(unit: Unit, i: Import, mutable = true): void {
  if (i.kind === 'global' && i.global.type === 'i32' && (mutable || !i.global.mutable)) return;
  const found =
    i.kind === 'global'
      ? i.global.mutable
        ? `(global (mut ${i.global.type}))`
        : `(global ${i.global.type})`
      : i.kind;
  const details = { import: showImport(i), file: unit.file, found, expected: '(global i32)' };
  throw new WgraftError('WGRAFT_ERR_IMPORT_TYPE', details);
}

function hostImport(
  r: Resolution,
  unit: Unit,
  i: Import,
  wanted: { readonly module: string; readonly name: string },
): Binding {
  const { module, name } = wanted;
  const label = `${module}.${name}`;
  const source: ImportSource = { from: 'host', host: { module, name } };
  const index = hostIndex(r.target, i.kind, wanted);
  if (index !== undefined) checkImportType({ ...r, unit }, i, index);
  else if (!r.allowImports.includes(label))
    throw new WgraftError('WGRAFT_ERR_IMPORT_NOT_ALLOWED', { import: label, file: unit.file });
  return { kind: 'import', source, label };
}

/** The index, in its own space, of the program's import of that name. */
function hostIndex(
  target: Target,
  kind: Import['kind'],
  wanted: { readonly module: string; readonly name: string },
): number | undefined {
  const imports = target.module.importsOf[kind];
  const index = imports.findIndex((i) => i.module === wanted.module && i.name === wanted.name);
  return index === -1 ? undefined : index;
}

/** Both parts of MODULE.NAME may have dots: one that the program imports wins, else the last dot parts them. */
function splitHostName(target: Target, text: string): { module: string; name: string } {
  const known = target.module.imports.find((i) => `${i.module}.${i.name}` === text);
  if (known !== undefined) return known;
  const dot = text.lastIndexOf('.');
  return { module: text.slice(0, Math.max(dot, 0)), name: text.slice(dot + 1) };
}

function unresolved(unit: Unit, i: Import, reason: string, remedy?: string): never {
  throw new WgraftError('WGRAFT_ERR_IMPORT_UNRESOLVED', {
    import: showImport(i),
    file: unit.file,
    reason,
    ...(remedy === undefined ? {} : { remedy }),
  });
}
