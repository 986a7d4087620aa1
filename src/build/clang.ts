// clang and wasm-ld from @yowasp/clang, in a worker: they are 75 MB of Wasm that compute for seconds.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { WgraftError } from '../errors.ts';
import type { ClangAnswer, ClangJob } from './clang-worker.ts';
import { workerUrl } from './wat.ts';

const compilerPackage = '@yowasp/clang';

/** Loading takes longer than compiling: an idle compiler is kept for the next build for a while, without keeping the process. */
const idleMs = 5_000;
let parked: { readonly clang: Clang; readonly timer: NodeJS.Timeout } | undefined;

/** Calls `use` with a compiler of its own. @throws WGRAFT_ERR_COMPILER_MISSING */
export async function withClang<T>(use: (clang: Clang) => Promise<T>): Promise<T> {
  const clang = parked?.clang ?? new Clang();
  clearTimeout(parked?.timer);
  parked = undefined;
  clang.wake();
  try {
    return await use(clang);
  } finally {
    if (clang.isAlive && parked === undefined) park(clang);
    else await clang.close();
  }
}

function park(clang: Clang): void {
  clang.rest();
  const timer = setTimeout(() => {
    parked = undefined;
    void clang.close();
  }, idleMs);
  parked = { clang, timer: timer.unref() };
}

export class Clang {
  readonly #worker: Worker;
  #isAlive = true;

  constructor() {
    this.#worker = new Worker(workerUrl('clang-worker'), { stdout: true, stderr: true, execArgv: [] });
    // A worker that dies is reported by the job that waits for it.
    this.#worker.on('error', () => {});
    this.#worker.once('exit', () => {
      this.#isAlive = false;
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** While it works, the compiler keeps the process; while it rests, it does not. */
  wake(): void {
    this.#worker.ref();
  }

  rest(): void {
    this.#worker.unref();
  }

  /** Runs a tool. @throws WGRAFT_ERR_COMPILER_MISSING */
  async run(
    job: ClangJob,
  ): Promise<{ ok: boolean; output: string; files: Readonly<Record<string, Uint8Array>> }> {
    const died = new AbortController();
    const ended = once(this.#worker, 'exit', { signal: died.signal }).then(
      () => ({ kind: 'failed', reason: 'it ended' }) as const,
    );
    this.#worker.postMessage(job);
    const answered = once(this.#worker, 'message', { signal: died.signal }).then(
      ([message]) => message as ClangAnswer,
    );
    ended.catch(() => {});
    answered.catch(() => {});
    const answer = await Promise.race([answered, ended]);
    died.abort();
    if (answer.kind === 'missing')
      throw new WgraftError('WGRAFT_ERR_COMPILER_MISSING', { package: compilerPackage });
    if (answer.kind === 'failed')
      throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: `${compilerPackage}: ${answer.reason}` });
    return answer;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
