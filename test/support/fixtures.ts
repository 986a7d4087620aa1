// The scenarios of wasm-fixtures: sources to compile, and the tables of their READMEs to do what they say.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildPatch, buildPatchFromBuilds } from '../../src/build/index.ts';
import { compileC } from './compile-c.ts';
import { wat } from './wat.ts';

/** One row: what to do, and what must come of it. */
export interface Expectation {
  /** `name(argument, ...)` */
  readonly call: string;
  readonly v1: string;
  readonly v2: string;
}

export type Step = 'apply' | 'revert' | { readonly call: string; readonly result: string };

export interface Fixture {
  readonly name: string;
  /** Calls in order, on a new instance for each column. */
  readonly expectations: readonly Expectation[];
  /** What must happen on one instance of v1; empty where the README has no such table. */
  readonly steps: readonly Step[];
  /** Whether it needs Wasm GC, which binaryen's engine does not do. */
  readonly gc: boolean;
  compile(version: 'v1' | 'v2'): Promise<Uint8Array>;
  /** The patch that makes v2 of a prepared v1: from both builds, or by hand where the scenario has a `fix.wat`. */
  patch(target: Uint8Array): Promise<Uint8Array>;
}

const root = fileURLToPath(new URL('../../wasm-fixtures/', import.meta.url));

/** All scenarios whose READMEs say what calls must give. */
export const fixtures: readonly Fixture[] = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => readFixture(entry.name))
  .filter((fixture) => fixture.expectations.length > 0);

/** The rows of a README's table with these columns, without backquotes. */
export function readTable(scenario: string, columns: readonly string[]): string[][] {
  const lines = read(scenario, 'README.md').split('\n');
  const rows = lines.map((line) => line.split('|').map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')));
  const head = rows.findIndex((cells) => columns.every((column, i) => cells[i + 1] === column));
  if (head === -1) return [];
  const end = rows.findIndex((cells, i) => i > head && cells.length < 3);
  return rows.slice(head + 2, end === -1 ? rows.length : end).map((cells) => cells.slice(1, -1));
}

/** Calls an export as a row says; `throws` where that throws. */
export function doCall(exports: WebAssembly.Exports, call: string): string {
  const [, name = '', given = ''] = /^(\w+)\((.*)\)$/.exec(call) ?? [];
  const found = exports[name];
  if (typeof found !== 'function') throw new Error(`no export for ${call}`);
  try {
    return String(found(...given.split(',').filter(Boolean).map(Number)));
  } catch {
    return 'throws';
  }
}

function readFixture(name: string): Fixture {
  const expectations = readTable(name, ['call', 'v1', 'v2']).map(([call = '', v1 = '', v2 = '']) => ({
    call,
    v1,
    v2,
  }));
  const steps = readTable(name, ['step', 'result']).map(([call = '', result = '']): Step => {
    return call === 'apply' || call === 'revert' ? call : { call, result };
  });
  return {
    name,
    expectations,
    steps,
    gc: name.startsWith('gc-'),
    compile: (version) => compile(name, version),
    patch: (target) => patch(name, target),
  };
}

function read(name: string, file: string): string {
  return readFileSync(`${root}${name}/${file}`, 'utf8');
}

const library = ['-Wl,--emit-relocs', '-nostartfiles', '-Wl,--no-entry', '-Wl,--allow-undefined'];

async function compile(name: string, version: 'v1' | 'v2'): Promise<Uint8Array> {
  const files = readdirSync(`${root}${name}`);
  if (files.includes(`${version}.wat`)) return wat(read(name, `${version}.wat`));
  const [, flag] = /^Compiled with `([^`]+)`/m.exec(read(name, 'README.md')) ?? [];
  // Under one name, so that both builds call their static things the same.
  const fileName = `${name}.c`;
  return compileC(read(name, `${version}.c`), { fileName, flags: [...library, ...(flag?.split(' ') ?? [])] });
}

async function patch(name: string, target: Uint8Array): Promise<Uint8Array> {
  const file = 'fix.wat';
  if (!readdirSync(`${root}${name}`).includes(file)) {
    const [old, next] = [await compile(name, 'v1'), await compile(name, 'v2')];
    return (await buildPatchFromBuilds({ old, new: next, target, name: 'v2' })).bytes;
  }
  const [, replaced = ''] = /^`fix\.wat` replaces `(\w+)`/m.exec(read(name, 'README.md')) ?? [];
  const source = { kind: 'wat', text: read(name, file), file } as const;
  return (await buildPatch({ target, replacements: [{ function: replaced, source }], name: 'v2' })).bytes;
}
