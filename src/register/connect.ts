// How a thread of the program gets its line to the control thread. The main thread starts that one, when there is something
// to patch; workers find it by its thread id, which is in their environment data, or else ask for it on a broadcast channel.

import { rmSync } from 'node:fs';
import {
  BroadcastChannel,
  getEnvironmentData,
  isMainThread,
  MessageChannel,
  type MessagePort,
  postMessageToThread,
  setEnvironmentData,
  threadId,
  Worker,
} from 'node:worker_threads';
import {
  type ControlInput,
  controlKey,
  type Introduction,
  isSharing,
  orderedKey,
  rendezvous,
  type Sharing,
  sharings,
} from './protocol.ts';

export interface ControlOptions {
  readonly name: string;
  readonly folder: string;
  /** The socket file, which nobody else can remove when the process ends. */
  readonly path: string;
  /** Told why the program cannot be reached from outside. */
  readonly onFailure: (cause: unknown) => void;
}

/** The port that this thread talks to the control thread with; what is sent before that listens is kept. */
export function connect(options: ControlOptions): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const introduction: Introduction = { wgraft: 'thread', threadId, port: port2 };
  if (isMainThread) {
    startControl(options).postMessage(introduction, [port2]);
    return port1;
  }
  const introduce = (control: number): void => {
    postMessageToThread(control, introduction, [port2]).catch(options.onFailure);
  };
  const known = getEnvironmentData(controlKey);
  if (typeof known === 'number') introduce(known);
  else askForControl(introduce);
  return port1;
}

let control: Worker | undefined;

/** The control thread of this process, started at the first call. */
function startControl({ name, folder, path, onFailure }: ControlOptions): Worker {
  if (control !== undefined) return control;
  const workerData: ControlInput = { wgraft: 'control', name, folder, ordered: orderedWord() };
  const file = `./control-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  // The program's own --import and NODE_OPTIONS are none of its business.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData,
    name: 'wgraft control',
    execArgv: [],
    env,
  });
  worker.on('message', onFailure);
  worker.on('error', onFailure);
  worker.unref();
  process.once('exit', () => {
    void worker.terminate();
    rmSync(path, { force: true });
  });
  setEnvironmentData(controlKey, worker.threadId);
  control = worker;
  return worker;
}

function askForControl(introduce: (control: number) => void): void {
  const channel = openRendezvous();
  channel.onmessage = ({ data }): void => {
    if (typeof data !== 'number') return;
    channel.close();
    introduce(data);
  };
  channel.postMessage(null);
}

/** The main thread: a worker may be the first that has something to patch. */
export function answerWorkers(options: ControlOptions): void {
  const channel = openRendezvous();
  channel.onmessage = ({ data }): void => {
    if (data !== null) return;
    channel.close(); // the control thread answers from now on, this question too
    startControl(options);
  };
}

/** The side of the control thread. */
export function announceControl(): void {
  const channel = openRendezvous();
  channel.onmessage = ({ data }): void => {
    if (data === null) channel.postMessage(threadId);
  };
  channel.postMessage(threadId);
}

/** Tells the control thread at once, whatever other threads do. It must run already. */
export function tellControl(sharing: Sharing): void {
  const channel = new BroadcastChannel(sharings);
  channel.postMessage(sharing);
  channel.close();
}

/** The side of the control thread. */
export function hearSharings(listener: (sharing: Sharing) => void): void {
  const channel = new BroadcastChannel(sharings) as Channel;
  channel.onmessage = ({ data }): void => {
    if (isSharing(data)) listener(data);
  };
  channel.unref();
}

/** Of this process; the main thread's is the one that all have. */
export function orderedWord(): Int32Array<SharedArrayBuffer> {
  const known: unknown = getEnvironmentData(orderedKey);
  const buffer = known instanceof SharedArrayBuffer ? known : new SharedArrayBuffer(4);
  if (buffer !== known) setEnvironmentData(orderedKey, buffer);
  return new Int32Array(buffer);
}

function openRendezvous(): Channel {
  const channel = new BroadcastChannel(rendezvous) as Channel;
  channel.unref();
  return channel;
}

/** Node's type says less of it than there is. */
type Channel = Omit<BroadcastChannel, 'onmessage'> & {
  onmessage: (event: { readonly data: unknown }) => void;
  unref(): void;
};
