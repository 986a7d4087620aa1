// Runs a WASI preview 1 command in a worker, so that this thread's event loop stays free: it serves standard input, the
// operations and their time-outs while the program computes.

import { accessSync, constants, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type ErrorJson, reasonOf, WgraftError } from '../../errors.ts';
import type { Operations } from '../../runtime/index.ts';
import { Bell } from '../bell.ts';
import type { Report, RunOptions, WorkerInput } from './protocol.ts';
import { RemoteOperations } from './remote-operations.ts';
import { Ring } from './ring.ts';
import { StdinFeed } from './stdin-feed.ts';

/** How a program ended: by itself, or by a trap, a failure of its worker, or `terminate`. */
export type ProgramExit = { readonly code: number } | { readonly trap: ErrorJson };

/** A WASI program that runs. */
export interface WasiProcess {
  readonly operations: Operations;
  /** Never rejects. All that the program wrote has been written by then. */
  readonly exited: Promise<ProgramExit>;
  /** Ends the program wherever it is. */
  terminate(): Promise<void>;
}

/**
 * Starts a prepared WASI command with this process's standard input, output and error.
 * @param beforeStart what must be done while the program can be asked and patched, but nothing of it has run yet: opening
 *   its control socket; where it fails, the program does not start.
 * @throws WGRAFT_ERR_WASM_INVALID, WGRAFT_ERR_NOT_PREPARED, WGRAFT_ERR_NOT_A_COMMAND, WGRAFT_ERR_IMPORTS_UNKNOWN,
 *   WGRAFT_ERR_PREOPEN, and what `beforeStart` throws; nothing of the program has run then
 */
export async function runWasi(
  prepared: Uint8Array,
  options: RunOptions,
  beforeStart?: (operations: Operations) => Promise<void>,
): Promise<WasiProcess> {
  refuseBadPreopens(options.preopens);
  makeOutputNonBlocking();
  const bell = new Bell();
  const ring = Ring.create();
  const workerData: WorkerInput = { prepared, options, bell: bell.buffer, ring: ring.buffer };
  const worker = new Worker(workerFile(), { workerData, name: `wgraft run ${options.name}`, execArgv: [] });
  const feed = new StdinFeed(() => process.stdin, ring, bell);
  const send = (request: unknown): void => {
    worker.postMessage(request); // before the call, which says that it is there
    bell.call();
  };

  let operations: RemoteOperations | undefined;
  let ending: { readonly exit: ProgramExit; readonly how: string } | undefined;
  const failed = (how: string): void => {
    const error = new WgraftError('WGRAFT_ERR_PROGRAM_ENDED', { program: options.name, how });
    ending ??= { exit: { trap: error.toJSON() }, how };
  };
  let exit: (exit: ProgramExit) => void = () => {};
  const exited = new Promise<ProgramExit>((resolve) => {
    exit = resolve;
  });
  const terminate = async (): Promise<void> => {
    failed('it was terminated');
    await worker.terminate();
  };

  const ready = new Promise<RemoteOperations>((resolve, refused) => {
    worker.on('message', (report: Report) => {
      switch (report.type) {
        case 'ready':
          operations = new RemoteOperations(prepared, report.mirror, send);
          return resolve(operations);
        case 'refused':
          return refused(WgraftError.from(report.error));
        case 'input':
          return feed.wanted();
        case 'exited':
          ending = { exit: { code: report.code }, how: `exit code ${report.code}` };
          return;
        case 'trapped':
          ending = { exit: { trap: report.error }, how: report.error.message };
          return;
        default:
          operations?.receive(report);
      }
    });
    worker.on('error', (cause) => {
      failed(`its worker failed: ${cause instanceof Error ? cause.message : String(cause)}`);
    });
    // The last event: Node delivers what the worker said before it.
    worker.on('exit', () => {
      failed('its worker stopped');
      feed.stop();
      if (ending === undefined) return;
      const { how } = ending;
      refused(new WgraftError('WGRAFT_ERR_PROGRAM_ENDED', { program: options.name, how }));
      operations?.end(how);
      exit(ending.exit);
    });
  });
  try {
    await beforeStart?.(await ready);
    bell.begin();
    return { operations: await ready, exited, terminate };
  } catch (cause) {
    await terminate();
    throw cause;
  }
}

// The worker is loaded from the sources in a checkout and from the compiled files in the package.
function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./worker.${extension}`, import.meta.url);
}

function refuseBadPreopens(preopens: RunOptions['preopens']): void {
  for (const [guest, host] of Object.entries(preopens)) {
    const reason = whyUnusable(host);
    if (reason !== undefined) throw new WgraftError('WGRAFT_ERR_PREOPEN', { guest, host, reason });
  }
}

/** Why a program cannot be given that folder; node:wasi would say it in codes of its own. */
function whyUnusable(host: string): string | undefined {
  try {
    const stat = statSync(host, { throwIfNoEntry: false });
    if (stat === undefined) return 'it does not exist';
    if (!stat.isDirectory()) return 'it is not a folder';
    accessSync(host, constants.R_OK);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/**
 * A worker that waits in the kernel for a slow reader could neither be looked at nor ended. Node makes a pipe non-blocking when
 * its stream is made, and sets it back when the process ends.
 */
function makeOutputNonBlocking(): void {
  void process.stdout;
  void process.stderr;
}
