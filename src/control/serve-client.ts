// One client of the control server: its handshake, its requests, its subscription. Ends with its socket.

import type { Socket } from 'node:net';
import { ResponseError } from 'vscode-jsonrpc/node';
import { WgraftError } from '../errors.ts';
import type { Operations, PatcherEvent } from '../runtime/index.ts';
import { version } from '../version.ts';
import { type Channel, openChannel } from './channel.ts';
import {
  applicationError,
  checked,
  decodePatch,
  type Hello,
  type Method,
  params,
  protocol,
} from './protocol.ts';

/** Events wait this long for company: ten thousand instances are not to cost the program ten thousand writes. */
const eventDelayMs = 20;
/** A subscriber that lets more than this pile up unread is cut off: it would eat the program's memory. */
const backlogLimitBytes = 16 * 1024 * 1024;

type Handler = (given: unknown) => unknown;

/** Answers a client's requests until it goes away. `name` is what the process is called. */
export function serveClient(socket: Socket, operations: Operations, name: string): void {
  const channel = openChannel(socket);
  const subscription = new Subscription(channel, socket, operations);
  const handlers = makeHandlers(operations, subscription, describeProcess(name));
  let greeted = false;
  channel.connection.onRequest(async (method: string, given: unknown) => {
    try {
      if (!greeted && method !== 'hello') refuse('the first request must be hello');
      const handler = handlers.get(method);
      if (handler === undefined) refuse(`unknown method "${method.slice(0, 64)}"`);
      const result = await handler(given);
      greeted = true;
      // What happened before the answer is told before it.
      subscription.flush();
      return result ?? null;
    } catch (error) {
      return asResponse(error);
    }
  });
  channel.connection.listen();
  channel.closed.then(() => subscription.stop());
}

function describeProcess(name: string): Hello {
  const started = new Date(Date.now() - process.uptime() * 1000).toISOString();
  return { protocol, name, pid: process.pid, wgraft: version, node: process.version, started };
}

function makeHandlers(
  operations: Operations,
  subscription: Subscription,
  hello: Hello,
): ReadonlyMap<string, Handler> {
  const handlers: Record<Method, Handler> = {
    hello: (given) => {
      const theirs = checked(params.hello, given, 'hello').protocol;
      if (theirs.major === protocol.major) return hello;
      refuse(`the client speaks version ${theirs.major}, this program version ${protocol.major}`);
    },
    status: () => operations.status(),
    blocking: () => operations.blocking(),
    verify: (given) => operations.verify(decodePatch(checked(params.verify, given, 'verify').patch)),
    apply: (given) => {
      const { patch, ...options } = checked(params.apply, given, 'apply');
      return operations.apply(decodePatch(patch), options);
    },
    revert: (given) => {
      const { patch, ...options } = checked(params.revert, given, 'revert');
      return operations.revert(patch, options);
    },
    force: (given) => operations.force(checked(params.force, given, 'force')),
    subscribe: () => subscription.start(),
    unsubscribe: () => subscription.stop(),
    ping: () => null,
  };
  return new Map(Object.entries(handlers));
}

function refuse(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_PROTOCOL', { reason });
}

function asResponse(error: unknown): ResponseError<unknown> {
  const known = WgraftError.is(error)
    ? error
    : new WgraftError('WGRAFT_ERR_INTERNAL', {
        what: error instanceof Error ? error.message : String(error),
      });
  return new ResponseError(applicationError, known.message, known.toJSON());
}

/** Sends events in batches. */
class Subscription {
  readonly #channel: Channel;
  readonly #socket: Socket;
  readonly #operations: Operations;
  #cancel: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #events: PatcherEvent[] = [];

  constructor(channel: Channel, socket: Socket, operations: Operations) {
    this.#channel = channel;
    this.#socket = socket;
    this.#operations = operations;
  }

  start(): void {
    this.#cancel ??= this.#operations.subscribe((event) => {
      this.#events.push(event);
      this.#timer ??= setTimeout(() => this.flush(), eventDelayMs).unref();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#events = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    if (this.#socket.writableLength > backlogLimitBytes) return this.#channel.close();
    void this.#send(events);
  }

  async #send(events: readonly PatcherEvent[]): Promise<void> {
    try {
      await this.#channel.connection.sendNotification('events', { events });
    } catch {
      // The client is gone, and its channel with it.
      this.#channel.close();
    }
  }
}
