// A pool of workers that compress with brotli-wasm. Nothing in here knows of wgraft. A line on stdin goes to the next worker;
// the answer says how many bytes that worker has taken so far.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

if (isMainThread) await serve();
else work();

async function serve() {
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url)));
  let turn = 0;
  const ask = (text) =>
    new Promise((resolve) => {
      const worker = workers[turn++ % workers.length];
      worker.once('message', resolve);
      worker.postMessage(text);
    });
  console.log(`${workers.length} workers`);
  for await (const line of createInterface(process.stdin)) console.log(await ask(line));
  process.exit();
}

function work() {
  const { CompressStream } = createRequire(import.meta.url)('brotli-wasm');
  let total = 0;
  parentPort.on('message', (text) => {
    const stream = new CompressStream();
    total += stream.compress(new TextEncoder().encode(text), 1000).input_offset;
    parentPort.postMessage(String(total));
    stream.free();
  });
}
