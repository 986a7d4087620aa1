// A program with threads that knows nothing of wgraft: answer.wasm in the main thread and in workers, which get it posted.
// A line on stdin: `worker` starts one, `answer` asks every instance, `block FILE` keeps the main thread busy
// until there is such a file, `end` ends.

import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const imports = { wasi_snapshot_preview1: { fd_read: () => 0, fd_write: () => 0, proc_exit: () => {} } };

if (isMainThread) await main();
else work();

async function main() {
  const module = new WebAssembly.Module(readFileSync(process.argv[2]));
  const { exports } = new WebAssembly.Instance(module, imports);
  const workers = [];
  console.log('ready');
  for await (const line of createInterface(process.stdin)) {
    const [word, argument] = line.split(' ');
    if (word === 'worker') {
      workers.push(new Worker(new URL(import.meta.url), { workerData: module }));
      await ask(workers.at(-1));
      console.log(`worker ${workers.length}`);
    }
    if (word === 'answer')
      console.log(`answers ${[exports.answer(), ...(await Promise.all(workers.map(ask)))].join(' ')}`);
    if (word === 'block') block(argument);
    if (word === 'end') process.exit();
  }
}

function ask(worker) {
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.postMessage('answer');
  });
}

function work() {
  const { exports } = new WebAssembly.Instance(workerData, imports);
  parentPort.on('message', () => parentPort.postMessage(exports.answer()));
}

function block(file) {
  console.log('blocking');
  while (!existsSync(file));
  console.log('free');
}
