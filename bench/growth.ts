// How a policy makes patches grow: a change in a function without a guard takes its callers along, up to functions that have
// one. Each byte of code is as likely to be changed as any other; what counts is how many bytes of functions go into the
// patch. Real fixes are in docs/corpus.md; this is the same question asked of programs that have no old build.

import { findSlotMap, hasGuard, slotPolicies } from '../src/patch/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { bodyReader, op, readModule, type WasmModule, walk } from '../src/wasm/index.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { benchPrograms, largestModule } from './modules.ts';

export const growth: Bench = {
  name: 'growth',
  shows:
    'bytes of functions in a patch for a change of one byte of code: the mean, its share of all code, and the most functions',
  columns: ['program', 'slots', 'of functions', 'bytes', 'share', 'most functions'],
  run,
};

const defaults = ['sql.js', 'quickjs', 'brotli', 'yoga', 'dart_fmt', 'resvg'];

async function* run({ only }: BenchOptions): AsyncGenerator<Row> {
  for (const program of benchPrograms.filter((w) => (only.length === 0 ? defaults : only).includes(w.name))) {
    const kernel = await largestModule(program);
    if (kernel === undefined) continue;
    const m = readModule(kernel);
    const callers = callersOf(m);
    const sizes = m.bodies.map((body) => body.end - body.start);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    for (const slots of slotPolicies) {
      const { bytes, report } = await prepare(kernel, { slots });
      const guarded = findSlotMap(bytes)?.functions.map(hasGuard) ?? [];
      const patches = sizes.map((_, i) => [...closure(i, guarded, callers)]);
      const bytesOf = (patch: readonly number[]): number =>
        patch.reduce((sum, i) => sum + (sizes[i] ?? 0), 0);
      const mean = patches.reduce((sum, patch, i) => sum + (sizes[i] ?? 0) * bytesOf(patch), 0) / total;
      yield {
        program: program.name,
        slots,
        'of functions': `${report.slots} / ${report.functions}`,
        bytes: mean.toFixed(0),
        share: `${((100 * mean) / total).toFixed(2)} %`,
        'most functions': Math.max(...patches.map((patch) => patch.length)),
      };
    }
  }
}

/** Which bodies call each body directly. */
function callersOf(m: WasmModule): Set<number>[] {
  const callers = m.bodies.map(() => new Set<number>());
  m.bodies.forEach((body, i) => {
    walk(bodyReader(m.bytes, body), (instruction) => {
      if (instruction.opcode === op.call || instruction.opcode === op.returnCall)
        callers[instruction.index - m.imported.func]?.add(i);
    });
  });
  return callers;
}

function closure(
  changed: number,
  guarded: readonly boolean[],
  callers: readonly ReadonlySet<number>[],
): Set<number> {
  const patch = new Set([changed]);
  // A set goes on to what is added to it while it is walked.
  for (const i of patch) if (!guarded[i]) for (const caller of callers[i] ?? []) patch.add(caller);
  return patch;
}
