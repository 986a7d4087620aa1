// WAT to a module. Parsers run in a worker with a time limit: wabt never comes back from deeply nested text.
// wabt goes first, since it keeps code as it is written; what it does not know is binaryen's, which knows every proposal.

import { Worker } from 'node:worker_threads';
import { WgraftError } from '../errors.ts';
import type { WatAnswer, WatJob } from './wat-worker.ts';

const sizeLimitBytes = 16 * 1024 * 1024;
/** Twenty times what wabt needs to start, and to read 10 MB a second. */
const wabtTimeoutMs = (characters: number): number => 2_000 + characters / 500;
const binaryenTimeoutMs = 60_000;

/** Parses text. @throws WGRAFT_ERR_SOURCE_INVALID with `FILE:LINE:COLUMN: …` */
export async function parseWat(text: string, file: string): Promise<Uint8Array> {
  if (text.length > sizeLimitBytes) invalid(file, `it is larger than ${sizeLimitBytes / 1024 / 1024} MiB`);
  const first = await ask({ parser: 'wabt', text }, wabtTimeoutMs(text.length));
  if (first !== undefined && 'bytes' in first) return first.bytes;
  const second = await ask({ parser: 'binaryen', text }, binaryenTimeoutMs);
  if (second === undefined || !('bytes' in second)) invalid(file, show(furthest(first, second), file));
  const why = whyInvalid(second.bytes);
  if (why === undefined) return second.bytes;
  // wabt says where; the engine, which knows more proposals, only says what.
  invalid(file, first?.parsed ? show(first, file) : `${file}: ${why}`);
}

function whyInvalid(bytes: Uint8Array): string | undefined {
  try {
    new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type Refusal = Exclude<WatAnswer, { bytes: Uint8Array }>;

/** The parser that came further in the text understood more of it. */
function furthest(a: Refusal | undefined, b: Refusal | undefined): Refusal {
  const none: Refusal = { parsed: false, errors: [{ message: 'it takes too long to parse' }] };
  if (a === undefined || b === undefined) return a ?? b ?? none;
  return (b.errors[0]?.line ?? 0) > (a.errors[0]?.line ?? 0) ? b : a;
}

function show({ errors }: Refusal, file: string): string {
  const place = (e: Refusal['errors'][number]): string =>
    e.line === undefined ? file : `${file}:${e.line}:${e.column ?? 1}`;
  return errors.map((e) => `${place(e)}: ${e.message}`).join('\n');
}

function invalid(file: string, errors: string): never {
  throw new WgraftError('WGRAFT_ERR_SOURCE_INVALID', { file, errors });
}

/** Starting a parser takes longer than most texts: a worker that has answered waits for the next one, and keeps no process alive. */
let idle: Worker | undefined;

function takeWorker(): Worker {
  const worker = idle ?? new Worker(workerUrl('wat-worker'), { stdout: true, stderr: true, execArgv: [] });
  idle = undefined;
  worker.removeAllListeners();
  worker.ref();
  return worker;
}

function putBack(worker: Worker): void {
  if (idle !== undefined) return void worker.terminate();
  idle = worker;
  worker.removeAllListeners();
  worker.once('error', () => {}); // followed by exit
  worker.once('exit', () => {
    if (idle === worker) idle = undefined;
  });
  worker.unref();
}

/** The worker's answer; undefined if it took too long or died. */
function ask(job: WatJob, timeoutMs: number): Promise<WatAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const worker = takeWorker();
    const finish = (answer: WatAnswer | undefined): void => {
      clearTimeout(timer);
      if (answer === undefined) void worker.terminate();
      else putBack(worker);
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    worker.once('message', finish);
    worker.once('exit', () => finish(undefined));
    worker.once('error', (error: Error & { code?: string }) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') return finish(undefined);
      clearTimeout(timer);
      reject(error);
    });
    worker.postMessage(job);
  });
}

/** A worker file beside this one: TypeScript in a checkout, JavaScript in the package. */
export function workerUrl(name: string): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./${name}.${extension}`, import.meta.url);
}
