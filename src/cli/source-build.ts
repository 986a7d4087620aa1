// Two builds from a source tree and a diff, as klp-build makes them: copy the tree, build, apply the diff, build again. Both
// builds are made in the same folder, so that __FILE__ is the same. Every step that was done is written down in the work
// folder: after a failure, the next run goes on with the step that failed. Lines keep their numbers (line-numbers.ts).

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { reasonOf, WgraftError } from '../errors.ts';
import type { TwoBuilds } from './builds.ts';
import { readInput } from './files.ts';
import { keepLineNumbers } from './line-numbers.ts';

export interface SourceTree {
  readonly source: string;
  /** A unified diff, applied with `-p1`. */
  readonly patch: string;
  /** Shell command that builds; runs in the copy of the source. */
  readonly make: string;
  /** The module that it writes, relative to the source. */
  readonly wasm: string;
  /** Where to build; default: a temporary folder, removed at the end. */
  readonly work?: string;
  /** Called before each step that is not done yet. */
  readonly onStep: (text: string) => void;
}

const steps = ['copied', 'old', 'patched', 'new'] as const;
type Step = (typeof steps)[number];

interface State {
  /** Of what the steps were done for. */
  readonly key: string;
  readonly done: readonly Step[];
}

/** @throws WGRAFT_ERR_FILE, WGRAFT_ERR_USAGE, WGRAFT_ERR_STEP_FAILED */
export async function buildSource(tree: SourceTree): Promise<TwoBuilds> {
  const source = path.resolve(tree.source);
  const patch = path.resolve(tree.patch);
  const work = path.resolve(tree.work ?? (await mkdtemp(path.join(tmpdir(), 'wgraft-build-'))));
  if (`${work}${path.sep}`.startsWith(`${source}${path.sep}`))
    throw new WgraftError('WGRAFT_ERR_USAGE', {
      what: `the work folder ${work} is inside the source`,
      command: 'build',
    });
  const build = new SourceBuild({ ...tree, source, patch }, work);
  const builds = await build.run();
  if (tree.work === undefined) await rm(work, { recursive: true, force: true });
  return builds;
}

class SourceBuild {
  readonly #tree: SourceTree;
  readonly #work: string;
  readonly #copy: string;
  #state: State = { key: '', done: [] };

  constructor(tree: SourceTree, work: string) {
    this.#tree = tree;
    this.#work = work;
    this.#copy = path.join(work, 'tree');
  }

  async run(): Promise<TwoBuilds> {
    await this.#open();
    const { source, patch, make } = this.#tree;
    await this.#step('copied', `copying ${source}`, () => this.#copySource());
    await this.#step('old', `building the old program: ${make}`, () => this.#make('old'));
    await this.#step('patched', `applying ${patch}`, () => this.#applyPatch());
    await this.#step('new', `building the new program: ${make}`, () => this.#make('new'));
    return { old: await readInput(this.#module('old')), new: await readInput(this.#module('new')) };
  }

  /** Goes on with what the folder holds if that is of the same source, diff and command; else starts anew. */
  async #open(): Promise<void> {
    const key = await keyOf(this.#tree);
    const file = path.join(this.#work, 'state.json');
    await onDisk(this.#work, 'write', () => mkdir(this.#work, { recursive: true }));
    const found = parseState(await readFile(file, 'utf8').catch(() => ''));
    if (found?.key === key) {
      this.#state = found;
      return;
    }
    if (found === undefined && (await readdir(this.#work)).length > 0)
      throw new WgraftError('WGRAFT_ERR_USAGE', {
        what: `the work folder ${this.#work} holds other things: give an empty one`,
        command: 'build',
      });
    this.#state = { key, done: [] };
  }

  async #step(step: Step, text: string, work: () => Promise<void>): Promise<void> {
    if (this.#state.done.includes(step)) return;
    this.#tree.onStep(text);
    await work();
    this.#state = { ...this.#state, done: [...this.#state.done, step] };
    await this.#save();
  }

  async #save(): Promise<void> {
    const file = path.join(this.#work, 'state.json');
    await onDisk(file, 'write', () => writeFile(file, `${JSON.stringify(this.#state)}\n`));
  }

  async #copySource(): Promise<void> {
    // Written first: a copy that is cut off is known for ours, and made anew.
    await this.#save();
    await rm(this.#copy, { recursive: true, force: true });
    const how = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
    await onDisk(this.#tree.source, 'read', () => cp(this.#tree.source, this.#copy, how));
  }

  async #make(which: 'old' | 'new'): Promise<void> {
    const step = `build the ${which} program`;
    await this.#run(step, { command: this.#tree.make, shell: true });
    const made = path.resolve(this.#copy, this.#tree.wasm);
    await onDisk(made, 'read', () => copyFile(made, this.#module(which)));
  }

  /** With `patch`, or `git apply` where there is none. Nothing is applied unless all of it can be. */
  async #applyPatch(): Promise<void> {
    const patch = path.join(this.#work, 'fix.diff');
    // Sources may have any encoding: a byte is a character here.
    const diff = Buffer.from(await readInput(this.#tree.patch)).toString('latin1');
    await onDisk(patch, 'write', () => writeFile(patch, keepLineNumbers(diff), 'latin1'));
    const options = ['-p1', '--batch', '--forward', '-i', patch];
    const step = 'apply the diff';
    try {
      await this.#run(step, { command: 'patch', args: ['--dry-run', ...options] });
    } catch (error) {
      if (!isMissing(error)) throw error;
      return this.#run(step, { command: 'git', args: ['apply', '-p1', patch] });
    }
    await this.#run(step, { command: 'patch', args: options });
  }

  async #run(
    step: string,
    { command, args = [], shell = false }: { command: string; args?: readonly string[]; shell?: boolean },
  ): Promise<void> {
    const options = {
      cwd: this.#copy,
      shell,
      // A repository around the work folder is none of git's business here.
      env: { ...process.env, GIT_CEILING_DIRECTORIES: this.#work },
      stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
    };
    const shown = [command, ...args].join(' ');
    const fail = (reason: string, output: string, cause?: unknown): never => {
      const details = { step, command: shown, reason, output: tail(output), work: this.#work };
      throw new WgraftError('WGRAFT_ERR_STEP_FAILED', details, { cause });
    };
    const ended = await runProcess(spawn(command, [...args], options));
    if (ended.error !== undefined) fail(reasonOf(ended.error), '', ended.error);
    if (ended.code !== 0) fail(`ended with ${ended.code ?? ended.signal}`, ended.output);
  }

  #module(which: 'old' | 'new'): string {
    return path.join(this.#work, `${which}.wasm`);
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly error?: Error;
}

function runProcess(child: ReturnType<typeof spawn>): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-outputKept);
    });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, output, error }));
    child.once('close', (code, signal) => resolve({ code, signal, output }));
  });
}

const outputKept = 64 * 1024;
const linesShown = 20;

function tail(output: string): string {
  return output.trimEnd().split('\n').slice(-linesShown).join('\n');
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/** Of everything that the builds are made of; of the source, what a stat says. */
async function keyOf({ source, patch, make, wasm }: SourceTree): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([source, make, wasm]));
  hash.update(await readInput(patch));
  const all = await onDisk(source, 'read', () => readdir(source, { recursive: true, withFileTypes: true }));
  const files = all.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    const { size, mtimeMs } = await onDisk(file, 'read', () => stat(file));
    hash.update(JSON.stringify([path.relative(source, file), size, mtimeMs]));
  }
  return hash.digest('hex');
}

function parseState(text: string): State | undefined {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== 'object' || found === null || !('key' in found) || !('done' in found))
      return undefined;
    const { key, done } = found;
    if (typeof key !== 'string' || !Array.isArray(done)) return undefined;
    return { key, done: steps.filter((step) => done.includes(step)) };
  } catch {
    return undefined;
  }
}

async function onDisk<T>(file: string, doing: 'read' | 'write', work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new WgraftError('WGRAFT_ERR_FILE', { file, doing, reason: reasonOf(cause) }, { cause });
  }
}
