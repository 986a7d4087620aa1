// A story about threads: a kernel in WAT with a shared memory, a group, workers with an instance each, patches by hand. Every
// event is written down; what several threads do in one part of a transition is sorted, since they do it at the same time.

import { Worker } from 'node:worker_threads';
import { buildPatch } from '../../../src/build/index.ts';
import { WgraftError } from '../../../src/errors.ts';
import { type PatcherEvent, ThreadGroup } from '../../../src/index.ts';
import { type PrepareOptions, prepare } from '../../../src/prepare/index.ts';
import { wat } from '../wat.ts';
import type { Command, ThreadInput } from './worker.ts';

export interface TestThread {
  readonly id: number;
  readonly worker: Worker;
  instantiate(): Promise<void>;
  call(name: string, ...args: number[]): Promise<number>;
  /** Length of its table. */
  table(): Promise<number>;
  end(): Promise<void>;
}

export interface ThreadStory extends AsyncDisposable {
  readonly group: ThreadGroup;
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** `thread-spawn` calls since the last reading, by their argument. */
  readonly spawned: number[];
  /** Events, one line each, oldest first; emptied by reading. */
  log(): string[];
  patch(name: string, functions: string | readonly string[], text: string): Promise<Uint8Array>;
  /** A thread that has joined, and has an instance unless told not to. */
  thread(options?: { readonly instance?: boolean; readonly extra?: boolean }): Promise<TestThread>;
  /** Opens a gate for those who wait there, and those to come. */
  open(gate: number): void;
  /** How many have come to a gate. */
  arrivals(gate: number): number;
}

type Omitted<T> = T extends unknown ? Omit<T, 'id'> : never;

export async function threadStory(text: string, options: PrepareOptions = {}): Promise<ThreadStory> {
  const group = new ThreadGroup();
  const { bytes: prepared } = await prepare(wat(text), { slots: 'all', ...options });
  const module = await WebAssembly.compile(prepared);
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 16, shared: true });
  const words = new Int32Array(new SharedArrayBuffer(64));
  const names = new Map<number, string>();
  const events: PatcherEvent[] = [];
  const threads: TestThread[] = [];
  const choices = { allocator: 'grow', allowImports: ['env.extra'] };
  const spawned: number[] = [];
  group.subscribe((event) => events.push(event));

  const start = async (instance: boolean, extra: boolean): Promise<TestThread> => {
    const invitation = group.invite();
    const workerData: ThreadInput = { invitation, module, memory, words, extra };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData,
      transferList: [invitation.port],
      execArgv: [],
    });
    const thread = await talk(worker, spawned);
    names.set(thread.id, `t${names.size + 1}`);
    threads.push(thread);
    if (instance) await thread.instantiate();
    return thread;
  };

  return {
    group,
    memory,
    words,
    spawned,
    log: () => inParts(events.splice(0), names),
    async patch(name, functions, patchText) {
      const source = { kind: 'wat', text: patchText, file: `${name}.wat` } as const;
      const replaced = typeof functions === 'string' ? [functions] : functions;
      const replacements = replaced.map((f) => ({ function: f, source }));
      return (await buildPatch({ target: prepared, replacements, name, ...choices })).bytes;
    },
    thread: ({ instance = true, extra = true } = {}) => start(instance, extra),
    open(gate) {
      Atomics.store(words, gate, 1);
      Atomics.notify(words, gate);
    },
    arrivals: (gate) => Atomics.load(words, gate + 8),
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((t) => t.end()));
    },
  };
}

async function talk(worker: Worker, spawned: number[]): Promise<TestThread> {
  const pending = new Map<number, { resolve: (n: number) => void; reject: (e: unknown) => void }>();
  let nextId = 1;
  const id = await new Promise<number>((resolve, reject) => {
    worker.once('error', reject);
    worker.on(
      'message',
      (m: { ready?: number; spawn?: number; id?: number; result?: number; error?: unknown }) => {
        if (m.ready !== undefined) return resolve(m.ready);
        if (m.spawn !== undefined) return void spawned.push(m.spawn);
        const { resolve: done, reject: failed } = pending.get(m.id ?? 0) ?? {};
        if (m.error === undefined) done?.(m.result ?? 0);
        else failed?.(typeof m.error === 'string' ? new Error(m.error) : WgraftError.from(m.error));
      },
    );
  });
  const ask = (command: Omitted<Command>): Promise<number> =>
    new Promise((resolve, reject) => {
      pending.set(nextId, { resolve, reject });
      worker.once('exit', () => reject(new Error('the worker has ended')));
      worker.postMessage({ ...command, id: nextId++ });
    });
  worker.setMaxListeners(0);
  return {
    id,
    worker,
    instantiate: async () => void (await ask({ do: 'instantiate' })),
    call: (name, ...args) => ask({ do: 'call', name, args }),
    table: () => ask({ do: 'table' }),
    end: async () => void (await worker.terminate()),
  };
}

function inParts(events: readonly PatcherEvent[], names: ReadonlyMap<number, string>): string[] {
  const lines: string[] = [];
  let part: string[] = [];
  for (const event of events) {
    const line = show(event, names);
    if (event.type === 'transition') {
      lines.push(...part.sort(), line);
      part = [];
    } else part.push(line);
  }
  return [...lines, ...part.sort()];
}

function show(event: PatcherEvent, names: ReadonlyMap<number, string>): string {
  if (event.type === 'transition') return `${event.direction} ${event.patch}: ${event.step}`;
  const who = `${names.get(event.thread ?? 0) ?? 'main'}#${event.instance}`;
  switch (event.type) {
    case 'instance':
      return `${who} ${event.change}`;
    case 'migrated':
      return `${who} -> universe ${event.universe}`;
    case 'callback':
      return `${who} ${event.patch}: ${event.callback} ${event.outcome}`;
  }
}
