// Sources to units. Replacements from one WAT text share a unit, and all C sources are linked to one, so that what two
// functions of a file share is there once.

import type { ReplacedFunction, WrittenFunction } from './replaced.ts';
import type { Target } from './target.ts';
import { readUnit, type Unit } from './unit.ts';
import { parseWat } from './wat.ts';

export interface Source {
  readonly kind: 'wat' | 'c';
  readonly text: string;
  /** What messages call it; C sources are compiled under the last part of it. */
  readonly file: string;
}

export interface CompileOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly compilerFlags?: readonly string[];
  /** A source with callbacks only. */
  readonly callbacks?: Source;
}

export interface CompiledUnit {
  readonly unit: Unit;
  readonly replaced: readonly ReplacedFunction[];
}

/** A source, and the functions of the program that it replaces: none where it has callbacks only. */
export interface WrittenSource {
  readonly source: Source;
  readonly replaced: readonly WrittenFunction[];
}

/** @throws WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_SOURCE_UNSUPPORTED, WGRAFT_ERR_COMPILER_MISSING */
export async function compileSources(
  target: Target,
  replaced: readonly WrittenFunction[],
  options: CompileOptions,
): Promise<CompiledUnit[]> {
  const units: CompiledUnit[] = [];
  const written = bySource(replaced, options.callbacks);
  for (const { source, replaced: ofSource } of written.filter((w) => w.source.kind === 'wat')) {
    const bytes = await parseWat(source.text, source.file);
    units.push({ unit: readUnit(source.file, 'wat', bytes), replaced: ofSource });
  }
  const inC = written.filter((w) => w.source.kind === 'c');
  if (inC.length > 0) {
    const { compileC } = await import('./c.ts');
    units.push({ unit: await compileC(target, inC, options), replaced: inC.flatMap((w) => w.replaced) });
  }
  return units;
}

function bySource(replaced: readonly WrittenFunction[], callbacks: Source | undefined): WrittenSource[] {
  const sources = [...replaced.map((r) => r.source), ...(callbacks === undefined ? [] : [callbacks])];
  const key = (source: Source): string => `${source.file}\0${source.text}`;
  const distinct = new Map(sources.map((source) => [key(source), source]));
  return [...distinct].map(([known, source]) => ({
    source,
    replaced: replaced.filter((r) => key(r.source) === known),
  }));
}
