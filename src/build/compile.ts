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
}

export interface CompiledUnit {
  readonly unit: Unit;
  readonly replaced: readonly ReplacedFunction[];
}

/** @throws WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_SOURCE_UNSUPPORTED, WGRAFT_ERR_COMPILER_MISSING */
export async function compileSources(
  target: Target,
  replaced: readonly WrittenFunction[],
  options: CompileOptions,
): Promise<CompiledUnit[]> {
  const units: CompiledUnit[] = [];
  for (const ofText of byText(replaced.filter((r) => r.source.kind === 'wat'))) {
    const source = ofText[0]?.source;
    if (source === undefined) continue;
    const bytes = await parseWat(source.text, source.file);
    units.push({ unit: readUnit(source.file, 'wat', bytes), replaced: ofText });
  }
  const inC = replaced.filter((r) => r.source.kind === 'c');
  if (inC.length > 0) {
    const { compileC } = await import('./c.ts');
    units.push({ unit: await compileC(target, inC, options), replaced: inC });
  }
  return units;
}

function byText(replaced: readonly WrittenFunction[]): Iterable<readonly WrittenFunction[]> {
  const texts = new Map<string, WrittenFunction[]>();
  for (const r of replaced) {
    const key = `${r.source.file}\0${r.source.text}`;
    texts.set(key, [...(texts.get(key) ?? []), r]);
  }
  return texts.values();
}
