// The client of a control socket: Operations of a program in another process. Every wait has an end, and a program that
// goes away or cannot answer is told apart from one that refuses.

import * as v from 'valibot';
import { ResponseError } from 'vscode-jsonrpc/node';
import { reasonOf, WgraftError } from '../errors.ts';
import type {
  Blocking,
  Operations,
  PatcherEvent,
  Status,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from '../runtime/index.ts';
import { type Channel, openChannel } from './channel.ts';
import { dial, type FindOptions, findTarget, showEntry } from './discover.ts';
import { watchLiveness } from './liveness.ts';
import { answers, checked, encodePatch, type Hello, type Method, protocol, wireOptions } from './protocol.ts';
import { TransitionLog } from './transition-log.ts';

export interface ConnectOptions extends FindOptions {
  /** How long to wait for an answer, ms. Default 30 000; a transition's own `timeoutMs` counts for that one instead. */
  readonly timeoutMs?: number;
  /** After how long without a sign of life `onBusy` is called, ms. Default 2 000. */
  readonly busyMs?: number;
  /** Called where the target does not answer because it is busy; the request stays with it. */
  readonly onBusy?: (target: string) => void;
}

/** The operations of another process, over its control socket. */
export interface ControlClient extends Operations, AsyncDisposable {
  readonly hello: Hello;
  /** `api (pid 4121)`, for messages. */
  readonly label: string;
  /** The socket file. */
  readonly path: string;
  /** Settles when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  close(): void;
}

/** A target that answers in time beats the client's own limit by this much, ms: its answer says more. */
const graceMs = 1000;

/**
 * Connects to the program that `target` (pid, name or socket path) means; undefined: the only one there is.
 * @throws WGRAFT_ERR_TARGET_NONE, WGRAFT_ERR_TARGET_UNKNOWN, WGRAFT_ERR_TARGET_AMBIGUOUS, WGRAFT_ERR_CONTROL_UNREACHABLE,
 *   WGRAFT_ERR_CONTROL_BUSY, WGRAFT_ERR_CONTROL_LOST, WGRAFT_ERR_PROTOCOL
 */
export async function connect(target?: string, options: ConnectOptions = {}): Promise<ControlClient> {
  const found = await findTarget(target, options);
  const label = showEntry(found);
  const socket = await dial(found.path).catch((cause: unknown) => {
    throw new WgraftError(
      'WGRAFT_ERR_CONTROL_UNREACHABLE',
      { target: label, reason: reasonOf(cause) },
      { cause },
    );
  });
  const session = new Session(openChannel(socket), label, options);
  try {
    const hello = await session.greet();
    return new Client(session, hello, found.path);
  } catch (error) {
    session.channel.close();
    throw error;
  }
}

/** Requests over one channel, with limits. */
class Session {
  readonly channel: Channel;
  label: string;
  readonly #options: ConnectOptions;

  constructor(channel: Channel, label: string, options: ConnectOptions) {
    this.channel = channel;
    this.label = label;
    this.#options = options;
    channel.connection.listen();
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs ?? 30_000;
  }

  async greet(): Promise<Hello> {
    // A ping would only queue up behind hello; hello's own answer is the sign of life.
    const greeting = this.request('hello', { protocol }, answers.hello, {
      ping: () => new Promise(() => {}),
    });
    const hello = await greeting;
    if (hello.protocol.major !== protocol.major) {
      const reason = `${this.label} speaks version ${hello.protocol.major}, this wgraft version ${protocol.major}`;
      throw new WgraftError('WGRAFT_ERR_PROTOCOL', { reason });
    }
    this.label = showEntry(hello);
    return hello;
  }

  async request<Output>(
    method: Method,
    params: object | undefined,
    answer: v.GenericSchema<unknown, Output>,
    how: { limitMs?: number; ping?: () => Promise<unknown>; known?: () => string } = {},
  ): Promise<Output> {
    const { busyMs = 2000, onBusy } = this.#options;
    const limitMs = how.limitMs ?? this.timeoutMs;
    const ping = how.ping ?? ((): Promise<unknown> => this.#send('ping', undefined));
    const quiet = watchLiveness(ping, busyMs, () => onBusy?.(this.label));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const details = { target: this.label, during: method, waitedMs: limitMs };
      timer = setTimeout(() => reject(new WgraftError('WGRAFT_ERR_CONTROL_BUSY', details)), limitMs);
    });
    try {
      const result = await Promise.race([this.#send(method, params), this.#lost(method, how.known), late]);
      return checked(answer, result, method);
    } catch (error) {
      throw await this.#explain(error, method, how.known);
    } finally {
      quiet();
      clearTimeout(timer);
    }
  }

  async #send(method: Method, params: object | undefined): Promise<unknown> {
    return this.channel.connection.sendRequest(method, params);
  }

  async #lost(method: Method, known: (() => string) | undefined): Promise<never> {
    const broken = await this.channel.closed;
    throw broken ?? this.#lostError(method, known);
  }

  #lostError(method: Method, known: (() => string) | undefined): WgraftError {
    return new WgraftError('WGRAFT_ERR_CONTROL_LOST', {
      target: this.label,
      during: method,
      known: known?.() ?? 'nothing was changed by this command',
    });
  }

  async #explain(error: unknown, method: Method, known: (() => string) | undefined): Promise<unknown> {
    if (WgraftError.is(error)) return error;
    if (!(error instanceof ResponseError)) return (await this.#brokenBy()) ?? this.#lostError(method, known);
    if (isErrorJson(error.data)) return WgraftError.from(error.data);
    // The library's own codes from -32097 down: the connection broke under the request.
    if (error.code >= -32099 && error.code <= -32096) {
      return (await this.#brokenBy()) ?? this.#lostError(method, known);
    }
    return new WgraftError('WGRAFT_ERR_PROTOCOL', { reason: error.message });
  }

  async #brokenBy(): Promise<WgraftError | undefined> {
    return Promise.race([this.channel.closed, Promise.resolve(undefined)]);
  }
}

function isErrorJson(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'code' in data;
}

class Client implements ControlClient {
  readonly hello: Hello;
  readonly label: string;
  readonly path: string;
  readonly closed: Promise<void>;
  readonly #session: Session;
  readonly #listeners = new Set<(event: PatcherEvent) => void>();

  constructor(session: Session, hello: Hello, path: string) {
    this.#session = session;
    this.hello = hello;
    this.label = session.label;
    this.path = path;
    this.closed = session.channel.closed.then(() => {});
    session.channel.connection.onNotification('events', (given: unknown) => this.#deliver(given));
  }

  #deliver(given: unknown): void {
    for (const raw of checked(answers.events, given, 'events').events) {
      // A program with a newer minor version may tell of things that this version does not know.
      const event = v.safeParse(answers.event, raw);
      if (!event.success) continue;
      for (const listener of this.#listeners) listener(event.output);
    }
  }

  status(): Promise<Status> {
    return this.#session.request('status', undefined, answers.status);
  }

  blocking(): Promise<readonly Blocking[]> {
    return this.#session.request('blocking', undefined, answers.blocking);
  }

  async verify(patch: Uint8Array): Promise<VerifyReport> {
    return this.#session.request('verify', { patch: encodePatch(patch) }, answers.verify);
  }

  async apply(patch: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.#transition('apply', { patch: encodePatch(patch) }, options);
  }

  revert(patch: string | undefined, options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.#transition('revert', patch === undefined ? {} : { patch }, options);
  }

  force(options: TransitionOptions = {}): Promise<TransitionResult> {
    return this.#transition('force', {}, options);
  }

  async #transition(
    method: 'apply' | 'revert' | 'force',
    what: { patch?: string },
    options: TransitionOptions,
  ): Promise<TransitionResult> {
    const log = new TransitionLog(method === 'force' ? undefined : method);
    const unsubscribe = this.subscribe((event) => log.note(event));
    const limitMs = (options.timeoutMs ?? this.#session.timeoutMs) + graceMs;
    try {
      return await this.#session.request(method, { ...what, ...wireOptions(options) }, answers.transition, {
        limitMs,
        known: () => log.summary(),
      });
    } finally {
      unsubscribe();
    }
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    if (this.#listeners.size === 0) this.#ask('subscribe');
    this.#listeners.add(listener);
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#ask('unsubscribe');
    };
  }

  /** Whoever needs to know that the connection is gone waits for `closed` or asks something. */
  #ask(method: 'subscribe' | 'unsubscribe'): void {
    this.#session.request(method, undefined, answers.any).catch(() => {});
  }

  close(): void {
    this.#session.channel.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
