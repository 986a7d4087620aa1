// C to WebAssembly, for tests and demos: `const wasm = await compileC(source)` gives a WASI preview 1 command, built by
// @yowasp/clang (clang and wasm-ld in WebAssembly, no system toolchain). `flags` go to the driver after the defaults
// (-O2, no debug info): e.g. `['-g']`, `['-Wl,--export=add']`, or for a library without main
// `['-nostdlib', '-Wl,--no-entry']`. `files` are headers or further inputs by path.
// Results are cached by content under node_modules/.cache/wgraft; a compile takes 1-2 s, a hit none.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface CompileOptions {
  readonly flags?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  /** What diagnostics call the source. */
  readonly fileName?: string;
}

const cache = fileURLToPath(new URL('../../node_modules/.cache/wgraft/', import.meta.url));

/** Compiles and links one C source; throws an Error with the compiler's diagnostics where it does not compile. */
export async function compileC(source: string, options: CompileOptions = {}): Promise<Uint8Array> {
  const { flags = [], files = {}, fileName = 'main.c' } = options;
  const key = await cacheKey({ source, flags, files, fileName });
  const path = `${cache}${key}.wasm`;
  const cached = await readFile(path).catch(() => undefined);
  if (cached !== undefined) return new Uint8Array(cached);
  const wasm = await clang([fileName, ...flags], { ...files, [fileName]: source });
  await store(path, wasm);
  return wasm;
}

/** Compiles a C file of the repository; `path` is relative to its root. */
export async function compileCFile(path: string, options: CompileOptions = {}): Promise<Uint8Array> {
  const source = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  return compileC(source, { fileName: path.split('/').at(-1) ?? 'main.c', ...options });
}

// The compiler's package.json, which its exports hide, is part of the key: a new version compiles anew.
async function cacheKey(input: unknown): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@yowasp/clang');
  const compiler = await readFile(join(dirname(entry), '../package.json'), 'utf8');
  return createHash('sha256')
    .update(JSON.stringify([compiler, input]))
    .digest('hex')
    .slice(0, 32);
}

async function clang(args: readonly string[], files: Record<string, string>): Promise<Uint8Array> {
  const { commands, Exit } = await import('@yowasp/clang');
  await commands.clang(undefined, undefined, { fetchProgress: () => {} }); // loads the compiler, without its progress lines
  const diagnostics: string[] = [];
  const decoder = new TextDecoder();
  try {
    const out = await commands.clang(['-O2', '-g0', ...args, '-o', 'out.wasm'], files, {
      stdout: () => {},
      stderr: (bytes) => bytes !== null && diagnostics.push(decoder.decode(bytes)),
      decodeASCII: false,
    });
    const wasm = out?.['out.wasm'];
    if (wasm instanceof Uint8Array) return wasm;
    throw new Error(`clang wrote no module\n${diagnostics.join('')}`);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    throw new Error(`clang failed (exit ${error.code})\n${diagnostics.join('')}`, { cause: error });
  }
}

// Test files run in parallel processes and may compile the same source: the last rename wins, both wrote the same bytes.
async function store(path: string, wasm: Uint8Array): Promise<void> {
  await mkdir(cache, { recursive: true });
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(temporary, wasm);
  await rename(temporary, path);
}
