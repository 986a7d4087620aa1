// The other side of a control socket, byte by byte: for what no client or server of ours would send.

import { createConnection, createServer, type Server, type Socket } from 'node:net';

export interface RawPeer extends AsyncDisposable {
  readonly socket: Socket;
  /** Frames a message and sends it. */
  send(message: unknown): void;
  /** The next message that comes; undefined when the connection is closed. */
  next(): Promise<Record<string, unknown> | undefined>;
  readonly closed: Promise<void>;
}

export function frame(message: unknown): string {
  const body = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Connects to a socket without saying hello. */
export function rawClient(path: string): RawPeer {
  return rawPeer(createConnection(path));
}

export function rawPeer(socket: Socket): RawPeer {
  const messages: Record<string, unknown>[] = [];
  const waiting: ((message: Record<string, unknown> | undefined) => void)[] = [];
  let pending = Buffer.alloc(0);
  let over = false;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const end = pending.indexOf('\r\n\r\n');
      const length = Number(
        /Content-Length: (\d+)/.exec(pending.toString('latin1', 0, Math.max(end, 0)))?.[1],
      );
      if (end < 0 || pending.length < end + 4 + length) return;
      const message = JSON.parse(pending.toString('utf8', end + 4, end + 4 + length));
      pending = pending.subarray(end + 4 + length);
      const next = waiting.shift();
      if (next === undefined) messages.push(message);
      else next(message);
    }
  });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      over = true;
      for (const next of waiting) next(undefined);
      resolve();
    });
  });
  return {
    socket,
    send: (message) => void socket.write(frame(message)),
    next: () =>
      new Promise((resolve) => {
        const message = messages.shift();
        if (message !== undefined || over) resolve(message);
        else waiting.push(resolve);
      }),
    closed,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await closed;
    },
  };
}

/** A server that answers with what `answer` gives for a request, or not at all. */
export async function rawServer(
  path: string,
  answer: (request: Record<string, unknown>, peer: RawPeer) => unknown,
): Promise<AsyncDisposable> {
  const peers = new Set<RawPeer>();
  const server: Server = createServer(async (socket) => {
    const peer = rawPeer(socket);
    peers.add(peer);
    for (let request = await peer.next(); request !== undefined; request = await peer.next()) {
      const reply = answer(request, peer);
      if (reply !== undefined) peer.send({ jsonrpc: '2.0', id: request['id'], ...(reply as object) });
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
