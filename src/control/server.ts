// The control socket's server, inside the program. It carries Operations over a unix socket, never keeps the process
// alive, and does nothing on its own. A client that misbehaves loses its connection; the program and other clients notice nothing.

import { rmSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { reasonOf, WgraftError } from '../errors.ts';
import type { Operations } from '../runtime/index.ts';
import { isStale } from './discover.ts';
import { defaultFolder, openFolder, socketPath } from './socket-folder.ts';

export interface ListenOptions {
  /** What `wgraft ps` and TARGET call this process: 1 to 64 of [A-Za-z0-9._-]. */
  readonly name: string;
  /** Default: $WGRAFT_SOCKET_DIR, else $XDG_RUNTIME_DIR/wgraft, else /tmp/wgraft-UID. */
  readonly folder?: string;
}

/** An open control socket; disposing of it closes it and removes its file. */
export interface ControlServer extends AsyncDisposable {
  readonly name: string;
  /** The socket file. */
  readonly path: string;
  close(): Promise<void>;
}

/** Far more than the commands of one user need; a bound on what a broken client can hold open. */
const maxClients = 64;

/**
 * Opens the control socket of this process. It does not keep the process alive.
 * @throws WGRAFT_ERR_CONTROL_NAME, WGRAFT_ERR_CONTROL_PATH, WGRAFT_ERR_CONTROL_FOLDER, WGRAFT_ERR_CONTROL_LISTEN
 */
export function listen(options: ListenOptions, operations: Operations): Promise<ControlServer> {
  return listenWith(options, () => operations);
}

/**
 * As `listen`, with operations that are made when somebody calls. Until then, what clients need is not loaded.
 * @throws what `listen` throws
 */
export async function listenWith(
  { name, folder = defaultFolder() }: ListenOptions,
  operations: () => Operations | Promise<Operations>,
): Promise<ControlServer> {
  const path = socketPath(folder, name, process.pid);
  await openFolder(folder);
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    socket.unref();
    socket.on('error', () => {}); // its end is all that matters, and comes as `close`
    void serve(socket, name, operations);
  });
  server.maxConnections = maxClients;
  await bind(server, path);
  server.unref();
  await chmod(path, 0o600);
  return control(server, clients, { name, path });
}

/** What the client sends meanwhile waits in the socket. */
async function serve(
  socket: Socket,
  name: string,
  operations: () => Operations | Promise<Operations>,
): Promise<void> {
  try {
    const [{ serveClient }, offered] = await Promise.all([import('./serve-client.ts'), operations()]);
    serveClient(socket, offered, name);
  } catch {
    socket.destroy();
  }
}

async function bind(server: Server, path: string): Promise<void> {
  try {
    await tryBind(server, path);
  } catch (cause) {
    // A process before us had our pid, and was killed: usual in containers, where the pid is always the same.
    const stale = hasCode(cause, 'EADDRINUSE') && (await isStale(path));
    if (!stale) throw listenError(path, cause);
    await rm(path, { force: true });
    await tryBind(server, path).catch((again: unknown) => {
      throw listenError(path, again);
    });
  }
}

function tryBind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // Failing accepts (out of file descriptors) must not end the program.
      server.on('error', () => {});
      resolve();
    });
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function listenError(path: string, cause: unknown): WgraftError {
  return new WgraftError('WGRAFT_ERR_CONTROL_LISTEN', { path, reason: reasonOf(cause) }, { cause });
}

function control(
  server: Server,
  clients: ReadonlySet<Socket>,
  of: { name: string; path: string },
): ControlServer {
  const onExit = (): void => rmSync(of.path, { force: true });
  process.once('exit', onExit);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      process.off('exit', onExit);
      // Node removes the file with the server.
      server.close(() => resolve());
      for (const socket of clients) socket.destroy();
    });
    return closing;
  };
  return { ...of, close, [Symbol.asyncDispose]: close };
}
