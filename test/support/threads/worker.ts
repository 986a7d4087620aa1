// A worker that runs instances of one module with a shared memory for a test, as a wasi-threads or an Emscripten host does: it joins
// the group by its invitation, makes an instance when it is told to, and calls its exports. Host functions of the module:
//   env.gate(n)   tells the test that it has come (words[n + 8]) and sleeps until the test opens gate n (words[n]); reachable
//   env.deaf(n)   the same, without anything that wgraft could reach
//   env.host()    nothing
//   wasi.thread-spawn(arg) -> tid   asks the main thread for a new thread, as wasi-threads hosts do

import { parentPort, threadId, workerData } from 'node:worker_threads';
import { WgraftError } from '../../../src/errors.ts';
import { type Invitation, joinGroup } from '../../../src/index.ts';

export interface ThreadInput {
  readonly invitation: Invitation;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Gives the program `env.extra`, which a patch may want. */
  readonly extra: boolean;
}

export type Command =
  | { readonly id: number; readonly do: 'instantiate' }
  | { readonly id: number; readonly do: 'call'; readonly name: string; readonly args: readonly number[] }
  | { readonly id: number; readonly do: 'table' };

const { invitation, module, memory, words, extra } = workerData as ThreadInput;
const port = parentPort;
if (port === null) throw new Error('not a worker');
const member = joinGroup(invitation);
let exports: WebAssembly.Exports = {};

const arrive = (n: number): void => {
  Atomics.add(words, n + 8, 1);
};
const imports = {
  env: {
    memory,
    gate: (n: number): void => {
      arrive(n);
      member.wait(words, n, 0);
    },
    deaf: (n: number): void => {
      arrive(n);
      Atomics.wait(words, n, 0);
    },
    host: (): void => {},
    ...(extra ? { extra: (): number => 5 } : {}),
  },
  wasi: {
    'thread-spawn': (arg: number): number => {
      port.postMessage({ spawn: arg });
      return 1;
    },
  },
};

async function carryOut(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'instantiate': {
      const { instance } = await member.instantiate(module, imports, { name: 'app' });
      exports = instance.exports;
      return threadId;
    }
    case 'call': {
      const f = exports[command.name];
      if (typeof f !== 'function') throw new Error(`no export ${command.name}`);
      return f(...command.args);
    }
    case 'table': {
      const table = exports['table'];
      return table instanceof WebAssembly.Table ? table.length : 0;
    }
  }
}

port.on('message', (command: Command) => {
  carryOut(command).then(
    (result) => port.postMessage({ id: command.id, result }),
    (error: unknown) =>
      port.postMessage({ id: command.id, error: WgraftError.is(error) ? error.toJSON() : String(error) }),
  );
});
port.postMessage({ ready: threadId });
