// How a patch author names a function of the program: NAME, NAME,N where several have that name (N counts from 1 in the
// order of their indices, as livepatch's sympos does), or #INDEX in the prepared module.

import { WgraftError } from '../errors.ts';
import type { FuncIndex } from '../wasm/index.ts';
import type { Target } from './target.ts';

/** @throws WGRAFT_ERR_FUNCTION_UNKNOWN, WGRAFT_ERR_FUNCTION_AMBIGUOUS */
export function findFunction(target: Target, reference: string): FuncIndex {
  const found = functionsCalled(target, reference);
  const [index] = found;
  if (index === undefined) {
    throw new WgraftError('WGRAFT_ERR_FUNCTION_UNKNOWN', {
      function: reference,
      near: nearNames(reference, target.functionsByName.keys()),
    });
  }
  if (found.length > 1) {
    throw new WgraftError('WGRAFT_ERR_FUNCTION_AMBIGUOUS', {
      function: reference,
      candidates: found.map((candidate, i) => ({ reference: `${reference},${i + 1}`, index: candidate })),
    });
  }
  return index;
}

/** The function of that name where there is exactly one. */
export function onlyFunction(target: Target, reference: string): FuncIndex | undefined {
  const found = functionsCalled(target, reference);
  return found.length === 1 ? found[0] : undefined;
}

function functionsCalled(target: Target, reference: string): readonly FuncIndex[] {
  const named = target.functionsByName.get(reference);
  if (named !== undefined) return named;
  const index = /^#(\d{1,10})$/.exec(reference)?.[1];
  if (index !== undefined) {
    const wanted = Number(index);
    return wanted < target.module.imported.func || target.functions.has(wanted) ? [wanted] : [];
  }
  const [, name, place] = /^(.+),(\d{1,6})$/s.exec(reference) ?? [];
  const candidate = name === undefined ? undefined : target.functionsByName.get(name)?.[Number(place) - 1];
  return candidate === undefined ? [] : [candidate];
}

const nearLimit = 3;

/** Up to three names that are a slip of the fingers away. */
export function nearNames(wanted: string, names: Iterable<string>): string[] {
  const most = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  const scored: { name: string; distance: number }[] = [];
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) > most || name.length > 200) continue;
    const distance = editDistance(wanted, name, most);
    if (distance <= most) scored.push({ name, distance });
  }
  scored.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return scored.slice(0, nearLimit).map((s) => s.name);
}

/** Levenshtein distance, given up as `most + 1` when a whole row is beyond `most`. */
function editDistance(a: string, b: string, most: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    if (Math.min(...next) > most) return most + 1;
    row = next;
  }
  return row[b.length] ?? most + 1;
}
