// docs/performance.json: what `npm run bench -- slowdown startup --json docs/performance.json` measured, and how rows are found in it.

import type { SlotPolicy } from '../../src/patch/index.ts';

export interface Figures {
  /** Date, processor, load. */
  readonly machine: string;
  readonly results: { readonly slowdown: readonly SlowdownRow[]; readonly startup: readonly StartupRow[] };
}

interface Measured {
  readonly node: number;
  /** Or `geometric mean of N`. */
  readonly program: string;
}

export interface SlowdownRow extends Measured {
  readonly slots: 'control' | SlotPolicy;
  /** Prepared / unprepared. */
  readonly ratio: string;
  /** Of the ratio, `low - high`; a mean has none of what follows. */
  readonly quartiles?: string;
  readonly 'of functions'?: string;
  readonly 'file size'?: string;
}

export interface StartupRow extends Measured {
  readonly slots: 'none' | SlotPolicy;
  /** Each a figure, and prepared / unprepared in brackets; a mean has only the second. */
  readonly 'first answer ms': string;
  readonly 'instantiate µs': string;
  readonly 'memory of an instance kB': string;
}

export const isMean = ({ program }: Measured): boolean => program.startsWith('geometric mean');
export const nodesOf = (rows: readonly Measured[]): number[] => [...new Set(rows.map(({ node }) => node))];

/** In the order of the rows, without the means. */
export function programsOf(rows: readonly Measured[]): string[] {
  return [...new Set(rows.filter((row) => !isMean(row)).map(({ program }) => program))];
}
