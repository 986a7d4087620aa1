// Objects that are alive when a patch is applied have the old build's layout. Where debug information, or code that has none,
// shows that a struct lies differently in the new build, the patch is refused, unless a person says that no live object has
// the old layout.

import { WgraftError } from '../../errors.ts';
import type { Build, BuildFunction } from '../compare/build.ts';
import type { Comparison } from '../compare/compare.ts';
import { compareLayouts, type KnownSources, type LayoutChange, readDebugInfo } from '../dwarf/index.ts';
import { movedFields } from './moved-fields.ts';

export interface BuildsDebug {
  readonly old: KnownSources;
  readonly new: KnownSources;
}

export interface LayoutFindings {
  /** Why changed layouts stand in the way: nothing, or one error that names them all. */
  readonly refusals: readonly WgraftError<'WGRAFT_ERR_LAYOUT_CHANGED' | 'WGRAFT_ERR_LAYOUT_SUSPECTED'>[];
  /** What the author should know besides. */
  readonly notes: readonly string[];
}

export function readDebug({ old, new: next }: Comparison): BuildsDebug {
  return { old: readDebugInfo(old.module), new: readDebugInfo(next.module) };
}

/** Compares the layouts of the structs that both builds have. */
export function layoutFindings(
  comparison: Comparison,
  debug: BuildsDebug,
  allowed: 'all' | readonly string[],
): LayoutFindings {
  if (comparison.changed.length === 0) return { refusals: [], notes: [] }; // nothing that could misread an object
  const { changes, inPadding } = compareLayouts(debug.old.structLayouts(), debug.new.structLayouts());
  const isAllowed = ({ struct, name }: LayoutChange): boolean =>
    allowed === 'all' || allowed.includes(struct) || allowed.includes(name);
  const notes = changes
    .filter(isAllowed)
    .map((c) => `the changed layout of ${c.struct} was allowed: ${c.fields.join('; ')}`);
  if (inPadding.length > 0)
    notes.push(
      `objects that are alive have no value for new members in their padding: ${inPadding.join(', ')}`,
    );
  notes.push(...notCompared(comparison, debug));
  const [first, ...others] = changes.filter((c) => !isAllowed(c));
  if (first === undefined) return suspected(comparison, debug, allowed === 'all', notes);
  const details = { struct: first.struct, fields: first.fields, others: others.map((c) => c.struct) };
  return { refusals: [new WgraftError('WGRAFT_ERR_LAYOUT_CHANGED', details)], notes };
}

/** What functions without debug information show. One field alone may be another one, which the fix means to use. */
function suspected(
  comparison: Comparison,
  debug: BuildsDebug,
  isAllowed: boolean,
  notes: readonly string[],
): LayoutFindings {
  const [found] = movedFields(
    comparison,
    (change) => debug.old.describes(change.old.index) && debug.new.describes(change.new.index),
  );
  if (found === undefined) return { refusals: [], notes };
  const { offsets, distance } = found;
  const error = new WgraftError('WGRAFT_ERR_LAYOUT_SUSPECTED', {
    functions: found.functions.map((f) => f.names[0] ?? `#${f.index}`),
    offsets,
    distance,
  });
  if (isAllowed) return { refusals: [], notes: [...notes, `this was allowed: ${error.message}`] };
  if (offsets.length > 1) return { refusals: [error], notes };
  return { refusals: [], notes: [...notes, `if no other field is meant, ${error.message}`] };
}

/** Silence would look like a comparison that found nothing. */
function notCompared({ old, new: next, changed }: Comparison, debug: BuildsDebug): string[] {
  const sides: readonly (readonly [Build, KnownSources, BuildFunction[]])[] = [
    [old, debug.old, changed.map((c) => c.old)],
    [next, debug.new, changed.map((c) => c.new)],
  ];
  const unknown = sides.map(([, known, functions]) =>
    functions.filter((f) => f.body !== undefined && !known.describes(f.index)),
  );
  const without = sides.filter(([, , functions], i) => unknown[i]?.length === functions.length);
  const unreadable = without.flatMap(([build, { reason }]) =>
    reason === undefined
      ? []
      : [
          `the debug information of ${build.label} cannot be read, so struct layouts were not compared: ${reason}`,
        ],
  );
  if (unreadable.length > 0) return unreadable;
  const [first, second] = without;
  if (first !== undefined) {
    const where = second === undefined ? ` in ${first[0].label}` : '';
    return [`no debug information${where}: struct layouts were not compared; build both with -g`];
  }
  const names = new Set(unknown.flat().map((f) => `"${f.names[0] ?? `#${f.index}`}"`));
  if (names.size === 0) return [];
  return [`no debug information for ${[...names].join(', ')}: structs that only they use were not compared`];
}
