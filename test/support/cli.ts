// The real command line in a sandbox of its own: sockets, cache and files in one temporary folder. Programs that a test
// starts end with it. Everything waits with a bound: the test's own time-out.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { version } from '../../src/version.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'src/cli/main.ts');
const hook = pathToFileURL(join(root, 'dist/register/index.js')).href;
const registering = ['--disable-warning=ExperimentalWarning', '--import', hook];
const liveHost = join(root, 'test/support/live-host.ts');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** What it wrote so far. */
  readonly output: { readonly stdout: string; readonly stderr: string };
  write(text: string): void;
  /** Waits until stdout or stderr holds the text; fails if it ends before that. */
  says(text: string): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<Ended>;
}

export interface Sandbox extends AsyncDisposable {
  readonly folder: string;
  readonly sockets: string;
  readonly cache: string;
  path(name: string): string;
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Starts `wgraft` and leaves it running. */
  start(...args: readonly string[]): Running;
  /** Runs `wgraft` to its end; files are named relative to the sandbox. */
  wgraft(...args: readonly string[]): Promise<Ended>;
  wgraftWith(
    how: { env?: Record<string, string>; input?: string | Uint8Array },
    ...args: readonly string[]
  ): Promise<Ended>;
  /** Starts a Node program. */
  node(args: readonly string[], env?: Record<string, string>): Running;
  /** Starts an unchanged one with the register hook. */
  registered(args: readonly string[], env?: Record<string, string>): Running;
  /** The same on another Node. */
  registeredOn(node: string, args: readonly string[], env?: Record<string, string>): Running;
  /** Starts a Node program with instances of a prepared module (live-host.ts) and waits until it can be patched. */
  host(prepared: string, name: string, instances?: number): Promise<Running>;
}

export async function sandbox(): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), 'wgraft-'));
  const sockets = join(folder, 's');
  const cache = join(folder, 'cache', 'wgraft');
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: folder,
    XDG_CACHE_HOME: join(folder, 'cache'),
    WGRAFT_SOCKET_DIR: sockets,
  };
  const started: Running[] = [];
  const end = (): Promise<unknown> => Promise.all(started.map((running) => running.kill()));
  // A test that times out disposes of nothing. A sandbox of a whole file is in its owner's hands.
  if (expect.getState().currentTestName !== undefined) onTestFinished(async () => void (await end()));
  const launch = (
    args: readonly string[],
    more: Record<string, string> = {},
    node: string = process.execPath,
  ): Running => {
    const running = run([node, ...args], folder, { ...env, ...more });
    started.push(running);
    return running;
  };
  const wgraftWith: Sandbox['wgraftWith'] = (how, ...args) => {
    const running = launch([main, ...args], how.env);
    running.child.stdin?.end(how.input ?? '');
    return running.ended;
  };
  return {
    folder,
    sockets,
    cache,
    path: (name) => join(folder, name),
    async write(name, content) {
      await writeFile(join(folder, name), content);
      return name;
    },
    start: (...args) => launch([main, ...args]),
    wgraft: (...args) => wgraftWith({}, ...args),
    wgraftWith,
    node: (args, more) => launch(args, more),
    registered: (args, more) => launch([...registering, ...args], more),
    registeredOn: (node, args, more) => launch([...registering, ...args], more, node),
    async host(prepared, name, instances = 1) {
      const running = launch([liveHost, prepared, name, String(instances)]);
      await running.says('ready');
      return running;
    },
    async [Symbol.asyncDispose]() {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function run([command = '', ...args]: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Running {
  const child = spawn(command, args, { cwd, env });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  child.stdin.on('error', () => {}); // it may end before it has read everything
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return {
    child,
    pid: child.pid ?? 0,
    ended,
    output,
    write: (text) => void child.stdin.write(text),
    says: (text) => waitFor(child, output, text),
    kill(signal = 'SIGKILL') {
      child.kill(signal);
      return ended;
    },
  };
}

function waitFor(child: ChildProcess, output: Running['output'], text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (`${output.stdout}${output.stderr}`.includes(text)) resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.on('close', () => {
      look();
      reject(new Error(`it ended and did not say "${text}":\n${output.stdout}${output.stderr}`));
    });
    look();
  });
}

/** What a command printed, as a golden file holds it: no pids, paths, ids and times, and one gap between columns. */
export function transcript(command: string, ended: Ended, box: Sandbox): string {
  const plain = (text: string): string =>
    text
      .replaceAll(box.folder, 'DIR')
      .replaceAll(version, 'VERSION')
      // Before the ids: the decimals of a time can look like one.
      .replace(/("(?:elapsedMs|runningMs|blockedMs)":)[\d.e-]+/g, '$1TIME')
      .replace(/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/g, 'ID')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'WHEN')
      .replace(/\bpid \d+/g, 'pid PID')
      .replace(/"pid":\d+/g, '"pid":PID')
      .replace(/-\d+\.sock/g, '-PID.sock')
      .replace(/^(\w+ +)\d{2,7}( +(ready|busy))/gm, '$1PID$2')
      .replace(/\b\d+(ms|s|m)\b/g, 'TIME')
      .replace(/v\d+\.\d+\.\d+/g, 'vNODE')
      .replace(/ {2,}(?=\S)/g, (gap, at: number, all: string) =>
        at === 0 || all[at - 1] === '\n' ? gap : '   ',
      );
  const parts = [`$ ${command}`, plain(ended.stdout).trimEnd()];
  if (ended.stderr !== '') parts.push('--- stderr', plain(ended.stderr).trimEnd());
  return `${parts.filter((p) => p !== '').join('\n')}\n--- exit ${ended.code}\n`;
}
