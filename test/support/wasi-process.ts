// A WASI program in a process of its own (wasi-host.ts), with its pipes and the operations on it in the test's hands.
// Everything waits with a bound: the test's own time-out.

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { WgraftError } from '../../src/errors.ts';
import type { RunOptions } from '../../src/host/wasi/protocol.ts';
import type { Operations, PatcherEvent } from '../../src/runtime/index.ts';

export type Exit = { code: number } | { trap: unknown } | { refused: unknown };

type StdinSource = 'pipe' | 'ignore' | number;

export interface WasiTestProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly operations: Omit<Operations, 'subscribe'>;
  readonly events: readonly PatcherEvent[];
  /** What it wrote so far. Where `options.collect` is false, stdout is left to the test. */
  readonly output: { readonly stdout: string; readonly stderr: string };
  /** Settles when the program has started or was refused. */
  readonly started: Promise<void>;
  readonly exit: Promise<Exit>;
  /** Exit code of the process, when all its output has been read. */
  readonly closed: Promise<number | null>;
  terminate(): Promise<void>;
}

export interface StartOptions extends Partial<RunOptions> {
  readonly stdin?: StdinSource;
  readonly collect?: boolean;
}

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly event?: PatcherEvent;
  readonly started?: true;
  readonly exit?: Exit;
}

/** Starts a prepared module. */
export async function startWasi(prepared: Uint8Array, options: StartOptions = {}): Promise<WasiTestProcess> {
  const { stdin = 'pipe', collect = true, name = 'app', args = ['app'], env = {}, preopens = {} } = options;
  const folder = await mkdtemp(join(tmpdir(), 'wgraft-wasi-'));
  const file = join(folder, 'app.wasm');
  await writeFile(file, prepared);
  const child = fork(
    fileURLToPath(new URL('./wasi-host.ts', import.meta.url)),
    [file, JSON.stringify({ name, args, env, preopens } satisfies RunOptions)],
    { stdio: [stdin, 'pipe', 'pipe', 'ipc'], serialization: 'advanced', execArgv: [] },
  );
  const output = { stdout: '', stderr: '' };
  if (collect) child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  child.stdin?.on('error', () => {}); // the program may end before it has read everything

  const events: PatcherEvent[] = [];
  const pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: unknown) => void }>();
  const gone = (): void => {
    for (const { reject } of pending.values()) reject(new Error(`the process has gone\n${output.stderr}`));
  };
  let exit: Exit | undefined;
  const started = new Promise<void>((resolve) => {
    child.on('message', (message: Message) => {
      if (message.event !== undefined) events.push(message.event);
      if (message.exit !== undefined) exit = message.exit;
      if (message.started === true || message.exit !== undefined) resolve();
      if (message.id === undefined) return;
      const waiting = pending.get(message.id);
      pending.delete(message.id);
      if ('error' in message) waiting?.reject(revive(message.error));
      else waiting?.resolve(message.result);
    });
    child.on('exit', () => resolve());
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  closed.then(gone);
  let nextId = 1;
  const call = <T>(name: string, ...args: readonly unknown[]): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const id = nextId++;
      pending.set(id, { resolve: (result) => resolve(result as T), reject });
      child.send({ id, call: name, args }, (error) => error !== null && reject(error));
    });

  return {
    child,
    stdin: child.stdin as Writable, // null where the test gave a file, and does not ask
    stdout: child.stdout as Readable,
    operations: {
      status: () => call('status'),
      blocking: () => call('blocking'),
      verify: (patch) => call('verify', patch),
      apply: (patch, o) => call('apply', patch, o),
      revert: (patch, o) => call('revert', patch, o),
      force: (o) => call('force', o),
    },
    events,
    output,
    started,
    exit: closed.then((code) => exit ?? { refused: `the process ended with ${code}: ${output.stderr}` }),
    closed,
    terminate: () => call('terminate'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Runs a program to its end with all its input given. */
export async function runToEnd(
  prepared: Uint8Array,
  options: StartOptions & { readonly input?: string | Uint8Array } = {},
): Promise<{ exit: Exit; stdout: string; stderr: string }> {
  await using program = await startWasi(prepared, options);
  if (program.child.stdin !== null) program.stdin.end(options.input ?? '');
  const exit = await program.exit;
  return { exit, ...program.output };
}

function revive(error: unknown): unknown {
  return typeof error === 'object' ? WgraftError.from(error) : new Error(String(error));
}
