// A pool of threads that knows nothing of wgraft: pool.wasm in a shared memory, with an instance in the main thread (thread 0) and in
// each worker. A line on stdin is a question and gets one line of JSON:
//
//   worker                  starts one; says its number
//   call N FUNCTION ARG...  what the function says in thread N
//   all FUNCTION ARG...     the same of all threads, at once
//   grow N ENTRIES          makes thread N's table longer
//   hold N / free N         calls `slow` in thread N, which is suspended (JSPI) until it is freed
//   kill N                  ends a worker
//   sit FILE                the main thread sits in Atomics.wait until there is such a file
//   join                    starts a worker, and sits in Atomics.wait until that has called `answer`; says what it said
//   join FILE               starts a worker, lets it call `answer`, and sits until there is such a file
//   other                   another memory, with an instance of its own in the main thread, from now on the one that is meant
//   collect                 collects garbage
//   drop                    gives up that memory

import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

function start({ module, memory }) {
  const held = [];
  const hold = new WebAssembly.Suspending(() => new Promise((resolve) => held.push(resolve)));
  const { exports } = new WebAssembly.Instance(module, { env: { memory, hold } });
  return (word, ...args) => {
    if (word === 'grow') return exports.__indirect_function_table.grow(Number(args[0]));
    if (word === 'hold') return void WebAssembly.promising(exports.slow)();
    if (word === 'free') return held.splice(0).map((resolve) => resolve()).length;
    return exports[word](...args.map(Number));
  };
}

if (isMainThread) await main(...process.argv.slice(2));
else work();

function work() {
  const answer = start(workerData);
  const { signal } = workerData;
  if (signal !== undefined) {
    Atomics.store(signal, 0, answer('answer'));
    Atomics.notify(signal, 0);
  }
  parentPort.on('message', (line) => parentPort.postMessage(answer(...line)));
}

/** @param idle `idle`: the main thread has no instance itself */
async function main(file, idle) {
  const module = await WebAssembly.compile(readFileSync(file));
  const newProgram = () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 64, shared: true });
    return { memory, main: idle === 'idle' ? undefined : start({ module, memory }), workers: [] };
  };
  const programs = [newProgram()];
  let signal;
  const startWorker = ({ memory, workers }, more = {}) => {
    workers.push(new Worker(new URL(import.meta.url), { workerData: { module, memory, ...more } }));
    return workers.length;
  };
  const ask = ({ main, workers }, n, ...line) => {
    if (n === 0) return main(...line);
    return new Promise((resolve) => {
      workers[n - 1].once('message', resolve);
      workers[n - 1].postMessage(line);
    });
  };
  const join = (program) => {
    signal = new Int32Array(new SharedArrayBuffer(4));
    startWorker(program, { signal });
    Atomics.wait(signal, 0, 0, 30_000);
    return Atomics.load(signal, 0);
  };
  const commands = {
    worker: async (program) => {
      const n = startWorker(program);
      await ask(program, n, 'answer');
      return n;
    },
    call: (program, n, ...line) => ask(program, Number(n), ...line),
    all: (program, ...line) => {
      const threads = [...(idle === 'idle' ? [] : [0]), ...program.workers.map((_, i) => i + 1)];
      return Promise.all(threads.map((n) => ask(program, n, ...line)));
    },
    grow: (program, n, entries) => ask(program, Number(n), 'grow', entries),
    hold: (program, n) => ask(program, Number(n), 'hold'),
    free: (program, n) => ask(program, Number(n), 'free'),
    kill: (program, n) => program.workers[n - 1].terminate(),
    sit: (_, path) => sit(path),
    join: (program, path) => {
      const answer = join(program);
      if (path !== undefined) sit(path);
      return answer;
    },
    other: () => programs.push(newProgram()),
    drop: () => void programs.pop(),
    collect: () => globalThis.gc(),
  };
  console.log('ready');
  for await (const line of createInterface(process.stdin)) {
    const [word, ...args] = line.split(' ');
    console.log(JSON.stringify((await commands[word](programs.at(-1), ...args)) ?? null));
  }
  process.exit();
}

function sit(path) {
  const words = new Int32Array(new SharedArrayBuffer(4));
  console.log('"sits"');
  while (!existsSync(path)) Atomics.wait(words, 0, 0, 20);
  return 'stands up';
}
