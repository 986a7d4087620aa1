// Which structs lie differently in memory in the new build: objects that are alive when a patch is applied have the old
// layout. A struct counts as changed where an old member is gone, has moved or has another size or representation, or
// where the struct's size differs. What only fills padding, or only renames a type, changes nothing.

import { addedTo, changesOf } from './layout-differences.ts';
import type { StructLayout } from './layouts.ts';

export interface LayoutChange {
  /** As in the source: `struct internal_state`. */
  readonly struct: string;
  /** The same without `struct`. */
  readonly name: string;
  /** What changed, one statement each. */
  readonly fields: readonly string[];
}

export interface LayoutComparison {
  /** In the order of the new build. */
  readonly changes: readonly LayoutChange[];
  /** New members that stand in what was padding: live objects hold anything there. */
  readonly inPadding: readonly string[];
}

/** Compares the structs that both builds have, by name. */
export function compareLayouts(
  old: readonly StructLayout[],
  next: readonly StructLayout[],
): LayoutComparison {
  const before = variantsByName(old);
  const changes: LayoutChange[] = [];
  const inPadding = new Set<string>();
  for (const [name, now] of variantsByName(next)) {
    const then = before.get(name) ?? new Map<string, Variant>();
    for (const o of then.values()) {
      const n = counterpart(o, then, now);
      if (n === undefined) continue;
      const struct = `${n.kind} ${name}`;
      const fields = changesOf(o.layout, n);
      if (fields.length > 0) {
        changes.push({ struct, name, fields });
        break;
      }
      if (n.kind !== 'union') for (const m of addedTo(o.layout, n)) inPadding.add(`"${m.name}" of ${struct}`);
    }
  }
  return { changes, inPadding: [...inPadding] };
}

/** One layout of a name, and the source files that give it. Files that define two of one name privately are no rarity. */
interface Variant {
  readonly print: string;
  readonly layout: StructLayout;
  readonly units: Set<string>;
}

type Variants = ReadonlyMap<string, Variant>;

function variantsByName(layouts: readonly StructLayout[]): Map<string, Variants> {
  const found = new Map<string, Map<string, Variant>>();
  for (const layout of layouts) {
    const variants = found.get(layout.name) ?? new Map<string, Variant>();
    found.set(layout.name, variants);
    const print = fingerprint(layout);
    const known = variants.get(print);
    if (known === undefined) variants.set(print, { print, layout, units: new Set([layout.unit]) });
    else known.units.add(layout.unit);
  }
  return found;
}

function fingerprint({ kind, size, members }: StructLayout): string {
  const facts = members.map((m) => [m.name, m.offset, m.bits, m.size, m.representation]);
  return JSON.stringify([kind, size, facts]);
}

/**
 * What an old layout has become: what one of its source files says now and did not say before; where none of its source files
 * is there any more, the only new one, or that of the same header. Undefined where it is still the same, or nothing tells.
 */
function counterpart(old: Variant, before: Variants, now: Variants): StructLayout | undefined {
  const kept = now.get(old.print);
  const stays = (unit: string): boolean => kept?.units.has(unit) ?? false;
  const changed = [...now.values()].find((v) => {
    const known = before.get(v.print);
    return [...v.units].some((unit) => old.units.has(unit) && !stays(unit) && !known?.units.has(unit));
  });
  if (changed !== undefined || kept !== undefined) return changed?.layout;
  const [only, ...more] = [...now.values()].filter((v) => !before.has(v.print));
  if (more.length === 0) return only?.layout;
  return [only, ...more].find((v) => v?.layout.file === old.layout.file)?.layout;
}
