// Old and new builds of the entries: made by the corpus' own rebuild.py in a scratch folder, never beside the recipes.
// A pair that is there is not built again unless its recipe has changed.

import { execFile } from 'node:child_process';
import { access, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { reasonOf } from '../../src/errors.ts';

export type Pair =
  | { readonly kind: 'built'; readonly old: string; readonly new: string; readonly seconds: number }
  | { readonly kind: 'not built'; readonly reason: string };

export interface PairsOptions {
  readonly corpus: string;
  /** Builds with debug information have a folder of their own in it. */
  readonly scratch: string;
  readonly debug: boolean;
  /** False: what is not there stays not built. */
  readonly build: boolean;
}

const run = promisify(execFile);

/** The compilers and tools that rebuild.py calls. */
const tools = ['python3', 'clang-19', 'wasm-ld-19', 'patch', 'apt-get', 'taskset'];

export class Pairs {
  readonly #options: PairsOptions;
  readonly #scratch: string;
  #copied: Promise<void> | undefined;

  constructor(options: PairsOptions) {
    this.#options = options;
    this.#scratch = options.debug ? path.join(options.scratch, 'debug') : options.scratch;
  }

  /** The two builds of an entry; builds them where they are not there. Never throws for one entry's sake. */
  async get(name: string): Promise<Pair> {
    const { build } = this.#options;
    await this.#dropOutdated(name);
    const folder = path.join(this.#scratch, 'out', name);
    const old = path.join(folder, 'old.base.wasm');
    const fresh = path.join(folder, 'new.base.wasm');
    const there = async (): Promise<boolean> => (await exists(old)) && (await exists(fresh));
    if (await there()) return { kind: 'built', old, new: fresh, seconds: 0 };
    if (!build) return { kind: 'not built', reason: 'not there, and --no-build was given' };
    const began = performance.now();
    const said = await this.#rebuild(name).catch((error: unknown) => `FAIL ${reasonOf(error)}`);
    const seconds = (performance.now() - began) / 1000;
    if (await there()) return { kind: 'built', old, new: fresh, seconds };
    return { kind: 'not built', reason: failureIn(said) };
  }

  /** A changed recipe makes the pair, which the copy of the recipe beside it describes, worthless. */
  async #dropOutdated(name: string): Promise<void> {
    const { corpus } = this.#options;
    const scratch = this.#scratch;
    const recipe = path.join('entries', `${name}.json`);
    const [now, before] = await Promise.all([
      readFile(path.join(corpus, recipe), 'utf8'),
      readFile(path.join(scratch, recipe), 'utf8').catch(() => undefined),
    ]);
    if (now === before) return;
    await rm(path.join(scratch, 'out', name), { recursive: true, force: true });
    if (before !== undefined) await cp(path.join(corpus, recipe), path.join(scratch, recipe));
  }

  async #rebuild(name: string): Promise<string> {
    this.#copied ??= this.#copy();
    await this.#copied;
    const CORE = process.env['CORE'] ?? (cpus().length > 1 ? '1' : '0');
    const debug = this.#options.debug ? compilersWithDebug(this.#scratch) : {};
    const env = { ...process.env, CORE, NODE: process.execPath, ...debug };
    const options = { cwd: this.#scratch, env, maxBuffer: 64 * 1024 * 1024 };
    return run('python3', ['rebuild.py', name, '--no-diff'], options).then(
      ({ stdout, stderr }) => stdout + stderr,
      (error: unknown) => String(error),
    );
  }

  async #copy(): Promise<void> {
    const missing = await missingTools();
    if (missing.length > 0)
      throw new Error(`building the corpus needs ${missing.join(', ')}; its README names the packages`);
    const { corpus, debug } = this.#options;
    const scratch = this.#scratch;
    await mkdir(scratch, { recursive: true });
    if (debug) await addDebug(this.#options.scratch, scratch);
    for (const part of ['compat', 'config', 'drivers', 'entries', 'rebuild.py', 'run.mjs', 'wdiff.py']) {
      await cp(path.join(corpus, part), path.join(scratch, part), { recursive: true });
      // The corpus may be read-only; its copy is written to again when a recipe changes.
      await run('chmod', ['-R', 'u+w', path.join(scratch, part)]);
    }
  }
}

/** rebuild.py has no variant with debug information, and strips it at the link; it takes other compilers from the environment. */
const wrappers = {
  'clang-g': '#!/bin/sh\nexec clang-19 -g "$@"\n',
  'clang++-g': '#!/bin/sh\nexec clang++-19 -g "$@"\n',
  'wasm-ld-g':
    '#!/bin/sh\nfor a; do shift; [ "$a" = --strip-debug ] || set -- "$@" "$a"; done\nexec wasm-ld-19 "$@"\n',
};

function compilersWithDebug(scratch: string): Record<string, string> {
  const tool = (name: keyof typeof wrappers): string => path.join(scratch, 'tools', name);
  return { WCC: tool('clang-g'), WCXX: tool('clang++-g'), WLD: tool('wasm-ld-g') };
}

async function addDebug(downloads: string, scratch: string): Promise<void> {
  const tools = path.join(scratch, 'tools');
  await mkdir(tools, { recursive: true });
  for (const [name, text] of Object.entries(wrappers))
    await writeFile(path.join(tools, name), text, { mode: 0o755 });
  const [from, to] = [path.join(downloads, 'dl'), path.join(scratch, 'dl')];
  await mkdir(from, { recursive: true });
  if (!(await exists(to))) await symlink(from, to);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function missingTools(): Promise<string[]> {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const found = await Promise.all(
    tools.map(async (tool) =>
      (await Promise.all(folders.map((f) => exists(path.join(f, tool))))).includes(true),
    ),
  );
  return tools.filter((_, i) => !found[i]);
}

/** rebuild.py ends well whatever happens, and prints `FAIL` and why. */
function failureIn(said: string): string {
  const at = said.indexOf('FAIL ');
  const text = at < 0 ? said : said.slice(at + 'FAIL '.length);
  return text.trim().split('\n').slice(0, 3).join(' | ').slice(0, 300) || 'rebuild.py made no module';
}
