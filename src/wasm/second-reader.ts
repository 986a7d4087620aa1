// A second, independent reader of section ranges: @webassemblyjs/wasm-parser. `inspect`, `verify` and tests ask it whether
// our section map is right. It knows MVP modules and some proposals; where it stops, that is a note and no error. It is not
// exported by index.ts and loads its package when it is first called: the runtime imports this room and stays free of it.

import { readModule, type WasmModule } from './module.ts';
import { type Section, sectionIds } from './sections.ts';

/** A section as one of the readers sees it: `start` = its id byte, `end` = the byte after its last. */
export interface SeenSection {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export type CrossCheck =
  | { readonly kind: 'agrees'; readonly sections: number }
  /** The first section that is not the same; undefined where one reader has no more. */
  | {
      readonly kind: 'differs';
      readonly ours: SeenSection | undefined;
      readonly theirs: SeenSection | undefined;
    }
  | { readonly kind: 'cannot-read'; readonly reason: string };

/** Sections only. Its code decoder takes some instructions for others without an error, so it never sees code. */
const sectionsOnly = {
  ignoreCodeSection: true,
  ignoreDataSection: true,
  ignoreCustomNameSection: true,
  dump: false,
};

/** Sections that it passes over without a word. */
const unseen: readonly number[] = [sectionIds.dataCount, sectionIds.tag];

/**
 * Compares the section ranges of both readers.
 * @throws WGRAFT_ERR_WASM_MALFORMED if the module cannot be read by ours
 */
export async function crossCheckSections(bytes: Uint8Array): Promise<CrossCheck> {
  const m = readModule(bytes);
  const reason = beyondIt(m);
  if (reason !== undefined) return { kind: 'cannot-read', reason };
  const { decode } = await import('@webassemblyjs/wasm-parser');
  try {
    const sections = decode(bytes, sectionsOnly).body[0]?.metadata?.sections;
    if (sections === undefined) return { kind: 'cannot-read', reason: 'it gave no sections' };
    const theirs = sections.map(({ section, startOffset, size }): SeenSection => {
      const name = section === 'func' ? 'function' : section;
      return { name, start: startOffset - 1, end: size.loc.end.column + size.value };
    });
    return compareSections(m.sections, theirs);
  } catch (error) {
    return { kind: 'cannot-read', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** What it does not stop at but misreads: it would go on at a wrong offset, with counts that no file ever held. */
function beyondIt(m: WasmModule): string | undefined {
  const limits = [...m.memories, ...m.tables.map((t) => t.limits)];
  return limits.some((l) => l.flags > 3) ? '64-bit limits or custom page sizes' : undefined;
}

/** The first difference between our section map and what the other reader saw. */
export function compareSections(sections: readonly Section[], theirs: readonly SeenSection[]): CrossCheck {
  const ours = sections
    .filter((s) => !unseen.includes(s.id))
    .map(({ id, name, start, end }): SeenSection => ({ name: id === 0 ? 'custom' : name, start, end }));
  for (let i = 0; i < Math.max(ours.length, theirs.length); i += 1) {
    const [our, their] = [ours[i], theirs[i]];
    if (our?.name !== their?.name || our?.start !== their?.start || our?.end !== their?.end)
      return { kind: 'differs', ours: our, theirs: their };
  }
  return { kind: 'agrees', sections: ours.length };
}
