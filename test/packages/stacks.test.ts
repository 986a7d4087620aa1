// The stacks of prepared programs show what those of the originals show: the same functions under the same names.
// V8 (14.6) loses frames of functions that it inlines inside a try block, prepared or not (docs/architecture.md, section 3),
// so that the stacks of one module differ from run to run. Hence a process with V8's baseline compiler alone.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { workloads } from '../support/workloads/index.ts';

const script = fileURLToPath(new URL('../support/workloads/print-stacks.ts', import.meta.url));
const repeatable = workloads.filter((workload) => !workload.followsClock);

test.each(repeatable)(
  '$name has the same stacks, prepared by either engine',
  { timeout: 300_000 },
  async (workload) => {
    const { plain, ...prepared } = await stacksOf(workload.name);
    expect(plain?.length).toBeGreaterThan(0);
    expect(plain?.some((stack) => /[^\s<]\[\d+\]/.test(stack))).toBe(workload.named !== undefined);
    const isGc = workload.traits.includes('gc');
    expect(prepared).toEqual(isGc ? { splice: plain } : { splice: plain, binaryen: plain });
  },
);

async function stacksOf(name: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--liftoff-only', script, name], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}
