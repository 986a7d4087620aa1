// The manifest as bytes: strict decoding by hand, since the runtime reads patches and has no dependency. An unknown field
// is refused like a wrong one: a patch that asks for something this version does not know must not be applied half.

import { WgraftError } from '../errors.ts';
import { consistencyModels } from './consistency.ts';
import { allocates, callbackTypes, shadowTypes, stateTypes } from './livepatch-imports.ts';
import type {
  Allocator,
  Callbacks,
  ImportSource,
  Manifest,
  MemoryNeed,
  PatchImport,
  PatchMetadata,
  Replacement,
  SystemState,
} from './manifest.ts';

/** The manifest's JSON, always in the same order of fields. */
export function writeManifest(m: Manifest): Uint8Array {
  const ordered: Manifest = {
    format: m.format,
    name: m.name,
    target: m.target,
    replaces: m.replaces,
    imports: m.imports,
    ...(m.memory === undefined ? {} : { memory: m.memory }),
    ...(m.table === undefined ? {} : { table: m.table }),
    ...(m.callbacks === undefined ? {} : { callbacks: m.callbacks }),
    ...(m.states === undefined ? {} : { states: m.states }),
    ...(m.cumulative === undefined ? {} : { cumulative: m.cumulative }),
    ...(m.model === undefined ? {} : { model: m.model }),
    metadata: m.metadata,
  };
  return new TextEncoder().encode(JSON.stringify(ordered));
}

/** Reads a manifest. @throws WGRAFT_ERR_NOT_A_PATCH */
export function readManifest(payload: Uint8Array): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    refuse('the manifest is not JSON');
  }
  const f = fields(json, 'top level', [
    'format',
    'name',
    'target',
    'replaces',
    'imports',
    'memory',
    'table',
    'callbacks',
    'states',
    'cumulative',
    'model',
    'metadata',
  ]);
  const format = number(f.format, 'format');
  if (format !== 1) refuse(`the manifest has format ${format}, this wgraft reads format 1`);
  const replaces = list(f.replaces, 'replaces', readReplacement);
  if (replaces.length === 0) refuse('it replaces nothing');
  if (new Set(replaces.map((r) => r.slot)).size !== replaces.length) refuse('it replaces one function twice');
  const imports = list(f.imports, 'imports', readImport);
  if (f.memory === undefined && imports.some((i) => i.from === 'shadow' && allocates(i.operation)))
    refuse('it allocates shadow variables, and its manifest has no memory for them');
  return {
    format,
    name: patchName(f.name),
    target: readTarget(f.target),
    replaces,
    imports,
    ...(f.memory === undefined ? {} : { memory: readMemory(f.memory) }),
    ...(f.table === undefined ? {} : { table: readTable(f.table) }),
    ...(f.callbacks === undefined ? {} : { callbacks: readCallbacks(f.callbacks) }),
    ...(f.states === undefined ? {} : { states: readStates(f.states) }),
    ...(f.cumulative === undefined ? {} : { cumulative: flag(f.cumulative, 'cumulative') }),
    ...(f.model === undefined ? {} : { model: oneOf(consistencyModels, f.model, 'model') }),
    metadata: readMetadata(f.metadata),
  };
}

type Fields<K extends string> = { readonly [Key in K]?: unknown };

const namePattern = /^[A-Za-z0-9._-]{1,64}$/;

/** True for what may be the name of a patch. */
export function isPatchName(name: string): boolean {
  return namePattern.test(name);
}

function patchName(value: unknown): string {
  const name = text(value, 'name');
  return isPatchName(name) ? name : refuse('its name is not at most 64 of A-Z a-z 0-9 . _ -');
}

function readTarget(value: unknown): Manifest['target'] {
  const f = fields(value, 'target', ['buildId', 'name']);
  const buildId = hash(f.buildId, 'target.buildId');
  return f.name === undefined ? { buildId } : { buildId, name: text(f.name, 'target.name') };
}

function readReplacement(value: unknown, at: string): Replacement {
  const f = fields(value, at, ['index', 'name', 'slot', 'type', 'hash', 'export', 'original', 'unchanged']);
  return {
    index: number(f.index, `${at}.index`),
    name: f.name === undefined ? undefined : text(f.name, `${at}.name`),
    slot: number(f.slot, `${at}.slot`),
    type: text(f.type, `${at}.type`),
    hash: hash(f.hash, `${at}.hash`),
    export: text(f.export, `${at}.export`),
    ...(f.original === undefined ? {} : { original: text(f.original, `${at}.original`) }),
    ...(f.unchanged === undefined ? {} : { unchanged: onlyTrue(f.unchanged, `${at}.unchanged`) }),
  };
}

function onlyTrue(value: unknown, at: string): true {
  return flag(value, at) || refuse(`the manifest's ${at} is not true`);
}

function readImport(value: unknown, at: string): PatchImport {
  const { module, name, ...source } = fields(value, at, [
    'module',
    'name',
    'from',
    'index',
    'address',
    'operation',
    'host',
    'hash',
  ]);
  return {
    module: text(module, `${at}.module`),
    name: text(name, `${at}.name`),
    ...readSource(source, at),
  };
}

function readSource(
  f: Fields<'from' | 'index' | 'address' | 'operation' | 'host' | 'hash'>,
  at: string,
): ImportSource {
  const from = f.from;
  switch (from) {
    case 'func':
    case 'function-address':
      fields(f, at, ['from', 'index', 'hash']);
      return { from, index: number(f.index, `${at}.index`), ...readBodyHash(f.hash, at) };
    case 'memory':
    case 'table':
    case 'global':
    case 'tag':
      fields(f, at, ['from', 'index']);
      return { from, index: number(f.index, `${at}.index`) };
    case 'memory-base':
    case 'table-base':
      fields(f, at, ['from']);
      return { from };
    case 'address':
      fields(f, at, ['from', 'address']);
      return { from, address: number(f.address, `${at}.address`) };
    case 'shadow':
      fields(f, at, ['from', 'operation']);
      return { from, operation: oneOf(namesOf(shadowTypes), f.operation, `${at}.operation`) };
    case 'state':
      fields(f, at, ['from', 'operation']);
      return { from, operation: oneOf(namesOf(stateTypes), f.operation, `${at}.operation`) };
    case 'host': {
      const { host } = fields(f, at, ['from', 'host']);
      const h = fields(host, `${at}.host`, ['module', 'name']);
      return {
        from,
        host: { module: text(h.module, `${at}.module`), name: text(h.name, `${at}.name`) },
      };
    }
    default:
      return refuse(`the manifest's ${at}.from is unknown`);
  }
}

function readBodyHash(value: unknown, at: string): { hash?: string } {
  return value === undefined ? {} : { hash: hash(value, `${at}.hash`) };
}

function readMemory(value: unknown): MemoryNeed {
  const f = fields(value, 'memory', ['sizeBytes', 'alignBytes', 'allocator']);
  const alignBytes = number(f.alignBytes, 'memory.alignBytes');
  if (alignBytes === 0 || (alignBytes & (alignBytes - 1)) !== 0 || alignBytes > 65536)
    refuse("the manifest's memory.alignBytes is not a power of two up to 65536");
  return {
    sizeBytes: number(f.sizeBytes, 'memory.sizeBytes'),
    alignBytes,
    allocator: readAllocator(f.allocator),
  };
}

function readAllocator(value: unknown): Allocator {
  const f = fields(value, 'memory.allocator', ['kind', 'reason', 'index', 'name', 'free', 'hash']);
  const reason = text(f.reason, 'memory.allocator.reason');
  if (f.kind === 'grow') return { kind: 'grow', reason };
  if (f.kind !== 'function') refuse("the manifest's memory.allocator.kind is unknown");
  const index = number(f.index, 'memory.allocator.index');
  const name = f.name === undefined ? undefined : text(f.name, 'memory.allocator.name');
  const free = f.free === undefined ? {} : { free: number(f.free, 'memory.allocator.free') };
  return { kind: 'function', index, name, ...free, ...readBodyHash(f.hash, 'memory.allocator'), reason };
}

function readTable(value: unknown): { readonly size: number } {
  return { size: number(fields(value, 'table', ['size']).size, 'table.size') };
}

function readCallbacks(value: unknown): Callbacks {
  const names = namesOf(callbackTypes);
  const f = fields(value, 'callbacks', names);
  const given = names.filter((name) => f[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, text(f[name], `callbacks.${name}`)]));
}

function readStates(value: unknown): SystemState[] {
  const states = list(value, 'states', (item, at) => {
    const f = fields(item, at, ['id', 'version']);
    const state = { id: number(f.id, `${at}.id`), version: number(f.version, `${at}.version`) };
    return isSystemState(state) ? state : refuse(`the manifest's ${at} is out of range`);
  });
  if (new Set(states.map((s) => s.id)).size !== states.length) refuse('it has one system state twice');
  return states;
}

/** Patches see version + 1 as an i32, 0 for none: so there is no version 2^32 - 1. */
export function isSystemState({ id, version }: SystemState): boolean {
  const fits = (n: number, least: number, most: number): boolean =>
    Number.isInteger(n) && n >= least && n <= most;
  return fits(id, 1, 0xffffffff) && fits(version, 0, 0xfffffffe);
}

function readMetadata(value: unknown): PatchMetadata {
  const f = fields(value, 'metadata', ['description', 'author', 'cves']);
  return {
    ...(f.description === undefined ? {} : { description: text(f.description, 'metadata.description') }),
    ...(f.author === undefined ? {} : { author: text(f.author, 'metadata.author') }),
    ...(f.cves === undefined ? {} : { cves: list(f.cves, 'metadata.cves', text) }),
  };
}

/** The fields of an object that has none but the known ones. */
function fields<K extends string>(value: unknown, what: string, known: readonly K[]): Fields<K> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(`the manifest's ${what} is not an object`);
  const names: readonly string[] = known;
  const unknown = Object.keys(value).find((key) => !names.includes(key));
  if (unknown !== undefined) refuse(`the manifest's ${what} has an unknown field "${unknown}"`);
  return { ...value } as Fields<K>; // all its keys are of K, by the check above
}

function list<T>(value: unknown, what: string, read: (item: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) refuse(`the manifest's ${what} is not a list`);
  return value.map((item: unknown, i) => read(item, `${what}[${i}]`));
}

function text(value: unknown, what: string): string {
  return typeof value === 'string' ? value : refuse(`the manifest's ${what} is not a text`);
}

function flag(value: unknown, what: string): boolean {
  return typeof value === 'boolean' ? value : refuse(`the manifest's ${what} is neither true nor false`);
}

function oneOf<T extends string>(known: readonly T[], value: unknown, what: string): T {
  const found = known.find((name) => name === value);
  return found ?? refuse(`the manifest's ${what} is none of ${known.join(', ')}`);
}

function namesOf<T extends string>(record: Readonly<Record<T, unknown>>): T[] {
  return Object.keys(record) as T[]; // a literal has no keys but those of its type
}

function number(value: unknown, what: string): number {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
  return fits ? value : refuse(`the manifest's ${what} is not a number from 0 to 4294967295`);
}

function hash(value: unknown, what: string): string {
  const found = text(value, what);
  return /^[0-9a-f]{64}$/.test(found) ? found : refuse(`the manifest's ${what} is not a SHA-256 in hex`);
}

function refuse(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_NOT_A_PATCH', { reason });
}
