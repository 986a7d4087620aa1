// Medians and quartiles: what the benches report instead of means, since other work on the machine only ever adds time.

export interface Spread {
  readonly median: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

export function spread(samples: readonly number[]): Spread {
  const sorted = inOrder(samples);
  return {
    median: at(sorted, 0.5),
    low: at(sorted, 0.25),
    high: at(sorted, 0.75),
    count: sorted.length,
  };
}

/** The value below which that part of the samples lies: 0.99 for p99. */
export function quantile(samples: readonly number[], part: number): number {
  return at(inOrder(samples), part);
}

function inOrder(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b);
}

function at(sorted: readonly number[], part: number): number {
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
