// What changed between two builds: Ksplice's pre-post differencing, over symbols instead of bytes.

import type { FuncIndex } from '../../wasm/index.ts';
import type { Build, BuildData, BuildFunction } from './build.ts';
import { type Correlation, correlate } from './correlate.ts';
import { type BodyComparison, Equality } from './equality.ts';

export interface FunctionChange {
  readonly old: BuildFunction;
  readonly new: BuildFunction;
  readonly how: Extract<BodyComparison, { kind: 'type' | 'body' }>;
}

/** Writable data whose size or initial value the new build changes: a running program keeps what it has. */
export interface DataChange {
  readonly old: BuildData;
  readonly new: BuildData;
  readonly how: 'size' | 'value';
}

export interface Comparison {
  readonly old: Build;
  readonly new: Build;
  readonly correlation: Correlation;
  readonly equality: Equality;
  readonly changed: readonly FunctionChange[];
  /** Functions that differ in the line numbers of assertions only; they count as unchanged. */
  readonly lines: readonly BuildFunction[];
  readonly added: readonly BuildFunction[];
  readonly removed: readonly BuildFunction[];
  readonly data: readonly DataChange[];
}

/** Compares two builds, function by function and variable by variable. */
export function compareBuilds(old: Build, next: Build): Comparison {
  const correlation = correlate(old, next);
  const equality = new Equality(old, next, correlation);
  return compareFunctions(old, next, correlation, equality, (n, o) => equality.functions(n, o));
}

/** The same for builds that were correlated, and whose bodies are compared, in another way. */
export function compareFunctions(
  old: Build,
  next: Build,
  correlation: Correlation,
  equality: Equality,
  compareBodies: (n: BuildFunction, o: BuildFunction) => BodyComparison,
): Comparison {
  const changed: FunctionChange[] = [];
  const lines: BuildFunction[] = [];
  const added: BuildFunction[] = [];
  for (const f of next.functions) {
    const before = oldOf(old, correlation, f.index);
    if (before === undefined) {
      added.push(f);
      continue;
    }
    const how = compareBodies(f, before);
    if (how.kind === 'lines') lines.push(f);
    else if (how.kind !== 'same') changed.push({ old: before, new: f, how });
  }
  const kept = new Set(correlation.functions.values());
  const removed = old.functions.filter((f) => !kept.has(f.index));
  return {
    old,
    new: next,
    correlation,
    equality,
    changed,
    lines,
    added,
    removed,
    data: compareData(correlation, equality),
  };
}

function oldOf(old: Build, correlation: Correlation, index: FuncIndex): BuildFunction | undefined {
  const found = correlation.functions.get(index);
  return found === undefined ? undefined : old.functions[found];
}

function compareData(correlation: Correlation, equality: Equality): DataChange[] {
  const changes: DataChange[] = [];
  for (const [n, o] of correlation.data) {
    if (!n.writable && !o.writable) continue; // a changed constant changes the functions that use it
    if (n.size !== o.size) changes.push({ old: o, new: n, how: 'size' });
    else if (!equality.contents(n, o)) changes.push({ old: o, new: n, how: 'value' });
  }
  return changes;
}
