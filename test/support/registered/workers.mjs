// A program whose workers have options of their own, or are made from text. A line on stdin: `answer` asks all, `end` ends.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const text = `
  const { parentPort, workerData } = require('node:worker_threads');
  const imports = { wasi_snapshot_preview1: { fd_read: () => 0, fd_write: () => 0, proc_exit: () => {} } };
  const { exports } = new WebAssembly.Instance(workerData, imports);
  parentPort.on('message', () => parentPort.postMessage({ answer: exports.answer(), execArgv: process.execArgv }));`;
const file = new URL(
  `data:text/javascript,${encodeURIComponent(`import { createRequire } from 'node:module'; const require = createRequire('file:///'); ${text}`)}`,
);
const workers = [
  new Worker(file, { workerData: module, execArgv: [] }),
  new Worker(file, { workerData: module, execArgv: ['--no-warnings'], env: {} }),
  new Worker(text, { workerData: module, eval: true }),
  new Worker(text, { workerData: module, eval: true, execArgv: ['--no-warnings'] }),
];

const ask = (worker) =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.postMessage('answer');
  });
const first = await Promise.all(workers.map(ask));
console.log(JSON.stringify(first.map(({ execArgv }) => execArgv)));
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  if (line === 'end') process.exit();
  const said = await Promise.all(workers.map(ask));
  console.log(`answers ${said.map(({ answer }) => answer).join(' ')}`);
}
