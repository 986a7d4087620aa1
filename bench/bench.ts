// What a bench is: a name, what it shows, and rows that main.ts prints as a table or as JSON.

import type { Release } from './engines.ts';

export interface BenchOptions {
  /** Names of workloads or cases to measure; empty: the bench's own choice. */
  readonly only: readonly string[];
  readonly processes: number;
  readonly rounds: number;
  readonly nodes: readonly Release[];
}

export type Row = Readonly<Record<string, string | number>>;

export interface Bench {
  readonly name: string;
  readonly shows: string;
  /** Columns of the printed table, in order; rows may hold more for JSON. */
  readonly columns: readonly string[];
  run(options: BenchOptions): AsyncIterable<Row>;
}
