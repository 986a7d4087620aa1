// The whole product in one run (`npm run demo`): a C server is compiled, prepared and started; while it answers requests, its
// missing check is patched in and taken off again. Every step is checked; the process exits non-zero if one is not as it says.

import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify, styleText } from 'node:util';
import { compileC } from '../../test/support/compile-c.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const wgraftCommand = join(here, '../../bin/wgraft.js');
const folder = await mkdtemp(join(tmpdir(), 'wgraft-demo-'));
const environment = { ...process.env, WGRAFT_SOCKET_DIR: join(folder, 'sockets') };

let started = performance.now();

function say(text: string): void {
  const ms = Math.round(performance.now() - started);
  console.log(`${styleText('bold', text)} ${styleText('dim', `(${ms} ms)`)}`);
  started = performance.now();
}

function check(what: string, found: string, wanted: string | RegExp): void {
  const fits = typeof wanted === 'string' ? found === wanted : wanted.test(found);
  console.log(`  ${fits ? styleText('green', 'ok') : styleText('red', 'NOT OK')}  ${what}: ${found}`);
  if (!fits) throw new Error(`${what}: found "${found}", wanted ${wanted}`);
}

async function wgraft(...args: string[]): Promise<void> {
  console.log(
    `${styleText('cyan', '$')} wgraft ${args.map((a) => a.replace(`${folder}/`, '').replace(here, '')).join(' ')}`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [wgraftCommand, ...args], {
    cwd: folder,
    env: environment,
  });
  console.log(stdout.trimEnd().replaceAll(/^/gm, '  '));
}

/** The server under `wgraft run`. It numbers its replies, so that a lost request shows. */
class Server {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: ((reply: string) => void)[] = [];
  sent = 0;
  answered = 0;
  inOrder = true;

  constructor(module: string) {
    this.#process = spawn(process.execPath, [wgraftCommand, 'run', module, '--name', 'inventory'], {
      env: environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface(this.#process.stdout).on('line', (line) => {
      this.answered += 1;
      if (!line.startsWith(`${this.answered} `)) this.inOrder = false;
      this.#waiting.shift()?.(line.slice(line.indexOf(' ') + 1));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Sends one request and waits for its reply, without the number. */
  ask(request: string): Promise<string> {
    this.sent += 1;
    this.#process.stdin.write(`${request}\n`);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<number | null> {
    this.#process.stdin.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    return this.#process.exitCode;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

/** Four clients that never stop asking, until they are told to. */
function startLoad(server: Server): { stop(): Promise<void> } {
  let running = true;
  const client = async (name: string): Promise<void> => {
    while (running) await server.ask(`ADD ${name} 1`);
  };
  const clients = ['bolt', 'nut', 'screw', 'nail'].map(client);
  return {
    async stop() {
      running = false;
      await Promise.all(clients);
    },
  };
}

async function demo(server: Server): Promise<void> {
  const { pid } = server;
  check('the first request', await server.ask('ADD apple 3'), 'OK apple 3');
  check('taking too many', await server.ask('TAKE apple 5'), 'ERR not enough in stock');
  check('taking minus five (the bug)', await server.ask('TAKE apple -5'), 'OK apple 8');
  const load = startLoad(server);
  say(
    'It serves, and it has a bug: a negative quantity passes its check. Four clients keep asking from now on.',
  );

  const before = server.answered;
  await wgraft('apply', 'fix.wgp', 'inventory');
  check('taking minus five', await server.ask('TAKE apple -5'), 'ERR quantity must be at least 1');
  check('the stock is as it was', await server.ask('STOCK apple'), 'OK apple 8');
  check('process id', String(server.pid), String(pid));
  check('replies meanwhile', `${server.answered - before > 0}`, 'true');
  await wgraft('status', 'inventory');
  say('Patched while it runs.');

  await wgraft('revert', 'fix', 'inventory');
  check('taking minus five, as before the patch', await server.ask('TAKE apple -5'), 'OK apple 13');
  say('And taken off again.');

  await load.stop();
  check(
    'all it remembers',
    await server.ask('TOTAL'),
    new RegExp(`^OK 5 items \\d+ units ${server.sent} requests$`),
  );
  check('exit code', String(await server.stop()), '0');
  check('requests lost', `${server.sent - server.answered} of ${server.sent}`, `0 of ${server.sent}`);
  check('replies in order', String(server.inOrder), 'true');
  say('Not one request was lost.');
}

let server: Server | undefined;
try {
  await writeFile(join(folder, 'inventory.wasm'), await compileC(await readFile(join(here, 'v1.c'), 'utf8')));
  say('inventory/v1.c, a server in C, is WebAssembly now.');
  await wgraft('prepare', 'inventory.wasm', '-o', 'inventory.slots.wasm');
  await wgraft(
    'build',
    '--target',
    'inventory.slots.wasm',
    '--replace',
    `check_quantity=${join(here, 'fix.c')}`,
    '-o',
    'fix.wgp',
  );
  say('Its functions have slots, and a patch for one of them is built.');
  server = new Server(join(folder, 'inventory.slots.wasm'));
  await demo(server);
} finally {
  server?.kill();
  await rm(folder, { recursive: true, force: true });
}
