// The figures of a patch: sizes from the file itself, counts as the builder reports them.

import type { Built } from './builder.ts';
import type { PatchFigures } from './outcome.ts';

export function patchFigures({
  built: { bytes, manifest, report },
  buildMs,
  allowed,
}: Extract<Built, { kind: 'patch' }>): PatchFigures {
  return {
    sizeBytes: bytes.length,
    buildMs,
    replaced: manifest.replaces.length,
    // What the builder says of its selection, where it does.
    ...counted('changed', report),
    ...counted('expanded', report),
    added: report.added.length,
    memoryBytes: manifest.memory?.sizeBytes ?? 0,
    allowed,
    notes: report.notes,
  };
}

/** A list or a number. */
function counted(name: 'changed' | 'expanded', report: object): Partial<PatchFigures> {
  const value: unknown = Object.entries(report).find(([key]) => key === name)?.[1];
  const count = Array.isArray(value) ? value.length : value;
  return typeof count === 'number' ? { [name]: count } : {};
}
