// The forms in which a bench loads a program: as it is, as it is once more (which shows how much chance there is in a
// figure), and prepared by each policy.

import { type SlotPolicy, slotPolicies } from '../src/patch/index.ts';
import { type PrepareReport, prepare } from '../src/prepare/index.ts';
import {
  type Loader,
  observe,
  substitute,
  type Workload,
  workloads,
} from '../test/support/workloads/index.ts';
import type { BenchOptions } from './bench.ts';
import type { Release } from './engines.ts';
import { microPrograms } from './micro-programs.ts';

export const modes = ['plain', 'control', ...slotPolicies] as const;
export type Mode = (typeof modes)[number];

type Bytes = Uint8Array<ArrayBuffer>;

export const benchPrograms: readonly Workload[] = [...workloads, ...microPrograms];

/** The programs of a run that this release can execute: try_table came with V8 13.7. */
export function chosenPrograms({ only }: BenchOptions, node: Release): readonly Workload[] {
  return benchPrograms.filter(
    ({ name, traits }) =>
      (only.length === 0 || only.includes(name)) && (node >= 26 || !traits.includes('try_table')),
  );
}

/** Those that only call stand for no program, and are no part of a mean. */
export function standsForPrograms({ traits }: Workload): boolean {
  return !traits.includes('calls only');
}

/** Undefined for a program that loads none. */
export async function largestModule({ start }: Workload): Promise<Bytes | undefined> {
  const { modules } = await observe(start, 0.02);
  return [...modules].sort((a, b) => b.length - a.length)[0];
}

export interface Form {
  readonly loader: Loader;
  readonly sizeBytes: number;
  readonly slots: number;
  readonly functions: number;
}

/** A program's modules in one form. */
export async function inMode(mode: Mode, modules: readonly Bytes[]): Promise<Form> {
  if (mode === 'plain' || mode === 'control') {
    const loader = { bytes: (module: Bytes) => marked(module, mode) };
    return { loader, sizeBytes: sum(modules.map((m) => m.length)), slots: 0, functions: 0 };
  }
  const made = await Promise.all(modules.map((m) => prepared(m, mode)));
  const total = (of: (report: PrepareReport) => number): number => sum(made.map(({ report }) => of(report)));
  return {
    loader: substitute(
      modules,
      made.map(({ bytes }) => bytes),
    ),
    sizeBytes: total((report) => report.sizeBytes.after),
    slots: total((report) => report.slots),
    functions: total((report) => report.functions),
  };
}

const prepared = (module: Bytes, slots: SlotPolicy) => prepare(module, { slots, engine: 'splice' });

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The same code in other bytes: engines share machine code, and what they learnt of it, between instances of the same bytes. */
function marked(module: Bytes, mark: string): Bytes {
  const section = [0, 2, 1, mark.charCodeAt(0)];
  const bytes = new Uint8Array(module.length + section.length);
  bytes.set(module);
  bytes.set(section, module.length);
  return bytes;
}
