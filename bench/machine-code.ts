// What slots make of machine code: all functions of a program's largest module by V8's optimising compiler, without inlining,
// so that there is no chance in it. What preparing adds is in it, too.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { slotPolicies } from '../src/patch/index.ts';
import { prepare } from '../src/prepare/index.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { nodeOf, type Release } from './engines.ts';
import { benchPrograms, largestModule } from './modules.ts';

export const machineCode: Bench = {
  name: 'machine-code',
  shows: 'bytes of machine code that V8 makes of a module, not inlined; in brackets prepared / unprepared',
  columns: ['node', 'program', 'slots', 'functions', 'bytes'],
  run,
};

const defaults = ['sql.js', 'quickjs', 'dart_fmt'];

async function* run({ only, nodes }: BenchOptions): AsyncGenerator<Row> {
  const chosen = benchPrograms.filter((w) => (only.length === 0 ? defaults : only).includes(w.name));
  const folder = await mkdtemp(join(tmpdir(), 'wgraft-bench-'));
  try {
    // Node 22 does not have the flag that keeps V8 from inlining.
    for (const node of nodes.filter((release) => release >= 24))
      for (const program of chosen) {
        const { name } = program;
        const kernel = await largestModule(program);
        if (kernel === undefined) continue;
        const plain = await compiled(node, folder, kernel);
        yield { node, program: name, slots: 'none', functions: plain.functions, bytes: plain.bytes };
        for (const slots of slotPolicies) {
          const { bytes: module } = await prepare(kernel, { slots, engine: 'splice' });
          const { functions, bytes } = await compiled(node, folder, module);
          const ratio = (bytes / plain.bytes).toFixed(3);
          yield { node, program: name, slots, functions, bytes: `${bytes} (${ratio})` };
        }
      }
  } finally {
    await rm(folder, { recursive: true });
  }
}

const flags = ['--no-liftoff', '--no-wasm-lazy-compilation', '--no-wasm-inlining', '--print-wasm-code'];

async function compiled(
  node: Release,
  folder: string,
  module: Uint8Array,
): Promise<{ functions: number; bytes: number }> {
  const file = join(folder, 'module.wasm');
  await writeFile(file, module);
  const script = `new WebAssembly.Module(require('node:fs').readFileSync(process.argv[1]))`;
  const child = spawn(nodeOf(node), [...flags, '-e', script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [functions, bytes, isFunction] = [0, 0, false];
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('kind: ')) isFunction = line === 'kind: wasm function';
    const size = /^Instructions \(size = (\d+)\)/.exec(line)?.[1];
    if (size === undefined || !isFunction) continue;
    functions += 1;
    bytes += Number(size);
  }
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`Node ${node} ended with ${child.exitCode ?? child.signalCode}`);
  return { functions, bytes };
}
