// One JSON-RPC connection over one socket, ours to close: whatever is wrong with the other side ends this connection,
// once, with a reason, and nothing else.

import type { Socket } from 'node:net';
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import { WgraftError } from '../errors.ts';
import { FrameGuard } from './frame-guard.ts';
import { frameLimitBytes } from './protocol.ts';

export interface Channel {
  /** Handlers are to be set before `listen()` is called on it. */
  readonly connection: MessageConnection;
  /** Settles when the connection is over, with what broke it where that is known. Never rejects. */
  readonly closed: Promise<WgraftError | undefined>;
  close(reason?: WgraftError): void;
}

/** Takes over a connected socket. */
export function openChannel(socket: Socket): Channel {
  const { promise: closed, resolve } = withResolvers<WgraftError | undefined>();
  const guard = new FrameGuard(frameLimitBytes);
  const reader = new StreamMessageReader(guard);
  // Its timer for half messages would keep the process alive and tells us nothing.
  reader.partialMessageTimeout = 0;
  const broken = (what: unknown): void => close(asProtocolError(what));
  // The library reports messages that are no JSON-RPC only to its logger.
  const logger = { error: broken, warn: () => {}, info: () => {}, log: () => {} };
  const connection = createMessageConnection(reader, new StreamMessageWriter(socket), logger);

  function close(reason?: WgraftError): void {
    resolve(reason);
    connection.dispose();
    socket.destroy();
    guard.destroy();
  }

  guard.on('error', broken);
  socket.on('error', () => close());
  socket.on('close', () => close());
  connection.onError(([error]) => broken(error));
  connection.onClose(() => close());
  socket.pipe(guard);
  return { connection, closed, close };
}

function asProtocolError(error: unknown): WgraftError {
  if (WgraftError.is(error)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new WgraftError('WGRAFT_ERR_PROTOCOL', { reason: reason.split('\n', 1)[0] ?? reason });
}

/** Promise.withResolvers, which the declared library level does not have. */
export function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (cause: unknown) => void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (cause: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
