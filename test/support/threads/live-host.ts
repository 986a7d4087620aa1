// A Node program whose threads share one memory, patched from outside as one: the kernel of kernel.ts in two workers, a group and
// a control socket. A line on stdin: `call 1 slow 0` calls an export in thread 1 and prints `t1 slow 0 = 1` when that is over,
// `await 0` prints `gate 0 is reached` when somebody waits there, `open 0` opens it.

import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { listen } from '../../../src/index.ts';
import { kernel } from './kernel.ts';
import { threadStory } from './story.ts';

await using app = await threadStory(kernel);
const threads = [await app.thread(), await app.thread()];
await using _control = await listen({ name: 'pool' }, app.group);
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  const [word, ...args] = line.split(' ');
  if (word === 'call') void call(args);
  if (word === 'await') await reached(Number(args[0]));
  if (word === 'open') app.open(Number(args[0]));
}

async function call([thread, name = '', ...args]: readonly string[]): Promise<void> {
  const result = await threads[Number(thread) - 1]?.call(name, ...args.map(Number));
  console.log(`t${thread} ${[name, ...args].join(' ')} = ${result}`);
}

async function reached(gate: number): Promise<void> {
  while (app.arrivals(gate) === 0) await setTimeout(5);
  console.log(`gate ${gate} is reached`);
}
