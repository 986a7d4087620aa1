// What the register hook costs a program that starts: from the start of the process to its first result, without the hook, with
// it and an empty cache, and with it and the modules in the cache. The three take turns. The hook is the built one (dist/).

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import { spread } from './statistics.ts';

export const firstCall: Bench = {
  name: 'first-call',
  shows:
    'ms from the start of the process to the first result: the clock, and the CPU time of all threads (median)',
  columns: ['program', 'hook', 'ms', 'quartiles', 'CPU ms'],
  run,
};

const hook = new URL('../dist/register/index.js', import.meta.url).href;
const programs = ['nothing', 'sql.js', 'esbuild-wasm', 'clang'];
const ways = ['none', 'cold', 'cached'] as const;

interface Times {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function* run({ only, rounds }: BenchOptions): AsyncGenerator<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'wgraft-bench-'));
  try {
    for (const program of programs.filter((name) => only.length === 0 || only.includes(name))) {
      const times: Record<(typeof ways)[number], Times[]> = { none: [], cold: [], cached: [] };
      const cached = join(folder, program);
      await measure(program, 'cached', cached, folder);
      for (let round = 0; round < rounds; round++)
        for (const way of ways) {
          const cache = way === 'cached' ? cached : join(folder, `${program}-${round}`);
          times[way].push(await measure(program, way, cache, folder));
          if (way === 'cold') await rm(cache, { recursive: true, force: true });
        }
      for (const way of ways) {
        const wall = spread(times[way].map((t) => t.wallMs));
        yield {
          program,
          hook: way,
          ms: wall.median.toFixed(0),
          quartiles: `${wall.low.toFixed(0)} - ${wall.high.toFixed(0)}`,
          'CPU ms': spread(times[way].map((t) => t.cpuMs)).median.toFixed(0),
        };
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function measure(program: string, way: (typeof ways)[number], cache: string, folder: string): Promise<Times> {
  return measureInChild<Times>('first-call-process.mjs', {
    args: [program],
    flags: way === 'none' ? [] : ['--import', hook],
    env: { WGRAFT_CACHE_DIR: cache, WGRAFT_SOCKET_DIR: join(folder, 's') },
  });
}
