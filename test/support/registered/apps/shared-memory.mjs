// C on threads: every thread has an instance, all have one memory.

import { readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const run = ({ module, memory }) =>
  new WebAssembly.Instance(module, { env: { memory }, host: { waited() {} } }).exports;

export async function start(file) {
  const module = await WebAssembly.compile(readFileSync(file));
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 16, shared: true });
  const { add } = run({ module, memory });
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url), { workerData: { module, memory } }));
  const ask = (worker) =>
    new Promise((resolve) => {
      worker.once('message', resolve);
      worker.postMessage(null);
    });
  return async () => {
    const answers = [add(1, 1)];
    for (const worker of workers) answers.push(await ask(worker));
    return answers;
  };
}

if (!isMainThread) {
  const { add } = run(workerData);
  parentPort.on('message', () => parentPort.postMessage(add(1, 1)));
}
