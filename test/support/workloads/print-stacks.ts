// node print-stacks.ts WORKLOAD: prints, as JSON, the stacks that a workload's program has as it is and prepared by each
// engine. A process of its own, because its caller passes --liftoff-only, which V8 takes at its start only.

import { engines } from '../../../src/patch/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { engine, observe, recordStacks, run, substitute, workloads } from './index.ts';

const scale = 0.1;
const name = process.argv[2];
const workload = workloads.find((w) => w.name === name);
if (workload === undefined) throw new Error(`no workload "${name}"`);
const start = workload.named ?? workload.start;

const plain = recordStacks(engine);
const digest = await run(start, plain.loader, scale);
const { modules } = await observe(start, scale);
const stacks: Record<string, readonly string[]> = { plain: [...plain.stacks] };
for (const by of engines) {
  if (by === 'binaryen' && workload.traits.includes('gc')) continue;
  const prepared = await Promise.all(modules.map((module) => prepare(module, { engine: by, slots: 'all' })));
  const loader = substitute(
    modules,
    prepared.map(({ bytes }) => bytes),
  );
  const found = recordStacks(loader);
  if ((await run(start, found.loader, scale)) !== digest) throw new Error(`${by}: another result`);
  stacks[by] = [...found.stacks];
}
process.stdout.write(JSON.stringify(stacks));
