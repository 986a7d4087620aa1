// Patches that would switch each other off without a word. A wrapper calls the program's own body, not the patch below it. A function
// that nobody changed comes along as the program was built, because it calls a changed one that has no guard: on top
// of a fix to it, the fix is gone; below one, what it came along for is gone. And who calls a function without a guard does not
// come by its slot in the program's table.

import { WgraftError } from '../errors.ts';
import { type Manifest, type Replacement, showFunction } from '../patch/index.ts';
import type { SlotIndex } from '../wasm/index.ts';
import type { LoadedPatch } from './loaded-patch.ts';
import type { Program } from './program.ts';

type BySlot = LoadedPatch['bySlot'];

/** @throws WGRAFT_ERR_ORIGINAL_PATCHED */
export function refuseHiding(program: Program, { manifest, bySlot }: LoadedPatch): void {
  // A cumulative patch takes the place of those below; then the program's own body is what is meant.
  if (manifest.cumulative === true) return;
  /** What stands in the way of a patch below, for each way. */
  const ways = {
    calls: (below: LoadedPatch) => both(bySlot, below.bySlot).filter((own) => own.original !== undefined),
    brings: (below: LoadedPatch) => both(bySlot, below.bySlot).filter((own) => own.unchanged === true),
    hides: (below: LoadedPatch) => both(below.bySlot, bySlot).filter((other) => other.unchanged === true),
    bypasses: (below: LoadedPatch) => calledDirectly(program, manifest, below.manifest),
    bypassed: (below: LoadedPatch) => calledDirectly(program, below.manifest, manifest),
  };
  for (const does of ['calls', 'brings', 'hides', 'bypasses', 'bypassed'] as const) {
    const found = program.effective.map((below) => ({ below, functions: ways[does](below) }));
    const inTheWay = found.filter(({ functions }) => functions.length > 0);
    if (inTheWay.length === 0) continue;
    throw new WgraftError('WGRAFT_ERR_ORIGINAL_PATCHED', {
      patch: manifest.name,
      does,
      functions: [...new Set(inTheWay.flatMap(({ functions }) => functions.map(showFunction)))],
      below: inTheWay.map(({ below }) => below.manifest.name),
    });
  }
}

/** Those of `a` that `b` replaces, too. */
function both(a: BySlot, b: BySlot): Replacement[] {
  return [...a.values()].filter(({ slot }: { slot: SlotIndex }) => b.has(slot));
}

/** Functions with a slot in the program's table that `replacing` replaces and `calling` calls without it. */
function calledDirectly(program: Program, calling: Manifest, replacing: Manifest): Replacement[] {
  const called = new Set(calling.imports.flatMap((i) => (i.from === 'func' ? [i.index] : [])));
  return replacing.replaces.filter(
    ({ index, slot }) => called.has(index) && program.inTable(slot) !== undefined,
  );
}
