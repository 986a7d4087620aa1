// Old and new builds of the entries: made by the corpus' own rebuild.py in a scratch folder, never beside the recipes.
// A pair that is there is not built again unless its recipe has changed.

import { execFile } from 'node:child_process';
import { access, cp, mkdir, readFile, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { reasonOf } from '../../src/errors.ts';

export type Pair =
  | { readonly kind: 'built'; readonly old: string; readonly new: string; readonly seconds: number }
  | { readonly kind: 'not built'; readonly reason: string };

export interface PairsOptions {
  readonly corpus: string;
  readonly scratch: string;
  /** False: what is not there stays not built. */
  readonly build: boolean;
}

const run = promisify(execFile);

/** The compilers and tools that rebuild.py calls. */
const tools = ['python3', 'clang-19', 'wasm-ld-19', 'patch', 'apt-get', 'taskset'];

export class Pairs {
  readonly #options: PairsOptions;
  #copied: Promise<void> | undefined;

  constructor(options: PairsOptions) {
    this.#options = options;
  }

  /** The two builds of an entry; builds them where they are not there. Never throws for one entry's sake. */
  async get(name: string): Promise<Pair> {
    const { scratch, build } = this.#options;
    await this.#dropOutdated(name);
    const folder = path.join(scratch, 'out', name);
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
    const { corpus, scratch } = this.#options;
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
    const { scratch } = this.#options;
    this.#copied ??= this.#copy();
    await this.#copied;
    const CORE = process.env['CORE'] ?? (cpus().length > 1 ? '1' : '0');
    const env = { ...process.env, CORE, NODE: process.execPath };
    const options = { cwd: scratch, env, maxBuffer: 64 * 1024 * 1024 };
    return run('python3', ['rebuild.py', name, '--no-diff'], options).then(
      ({ stdout, stderr }) => stdout + stderr,
      (error: unknown) => String(error),
    );
  }

  async #copy(): Promise<void> {
    const missing = await missingTools();
    if (missing.length > 0)
      throw new Error(`building the corpus needs ${missing.join(', ')}; its README names the packages`);
    const { corpus, scratch } = this.#options;
    await mkdir(scratch, { recursive: true });
    for (const part of ['compat', 'config', 'drivers', 'entries', 'rebuild.py', 'run.mjs', 'wdiff.py'])
      await cp(path.join(corpus, part), path.join(scratch, part), { recursive: true });
  }
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
