// The workloads: real programs that tests and benches run with prepared modules in place of their own.

import { assemblyScript } from './assemblyscript.ts';
import { brotli } from './brotli.ts';
import { dartFmt } from './dart-fmt.ts';
import { esbuild } from './esbuild.ts';
import { exceptionsProposal, legacyExceptions } from './exceptions.ts';
import { inventory } from './inventory.ts';
import { lua } from './lua.ts';
import { quickJs } from './quickjs.ts';
import { resvg } from './resvg.ts';
import { sharedMemory } from './shared-memory.ts';
import { sqlJs } from './sqljs.ts';
import { treeSitter } from './tree-sitter.ts';
import { webp } from './webp.ts';
import type { Workload } from './workload.ts';
import { yoga } from './yoga.ts';

export const workloads: readonly Workload[] = [
  sqlJs,
  quickJs,
  lua,
  esbuild,
  resvg,
  treeSitter,
  yoga,
  brotli,
  webp,
  assemblyScript,
  dartFmt,
  legacyExceptions,
  exceptionsProposal,
  sharedMemory,
  inventory,
];
export * from './runs.ts';
export * from './stacks.ts';
export * from './workload.ts';
