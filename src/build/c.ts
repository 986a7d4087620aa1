// C sources to one unit: each compiled as position-independent code, linked by `wasm-ld -shared` to a side module. What the
// sources do not define stays an import, which the program's functions and data then resolve.

import { WgraftError } from '../errors.ts';
import { readModule } from '../wasm/index.ts';
import { type Clang, withClang } from './clang.ts';
import type { CompileOptions, Source, WrittenSource } from './compile.ts';
import { onlyFunction } from './function-reference.ts';
import type { WrittenFunction } from './replaced.ts';
import type { Target } from './target.ts';
import { readUnit, type Unit } from './unit.ts';
import { wgraftHeader } from './wgraft-header.ts';

const triple = '--target=wasm32-wasip1';
// -fvisibility=default: addresses of exported symbols go through the GOT, so that a replaced function keeps its address.
const compile = [
  '-c',
  '-O2',
  '-fPIC',
  '-fvisibility=default',
  triple,
  '-I',
  '.',
  '-include',
  'wgraft-replaced.h',
];
const link = ['-shared', '--experimental-pic', '--unresolved-symbols=import-dynamic'];
const library = ['/usr/lib/wasm32-wasip1/libc.a', '/usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a'];
const identifier = /^[A-Za-z_]\w*$/;

/** @throws WGRAFT_ERR_SOURCE_INVALID, WGRAFT_ERR_SOURCE_UNSUPPORTED, WGRAFT_ERR_COMPILER_MISSING */
export async function compileC(
  target: Target,
  written: readonly WrittenSource[],
  options: CompileOptions,
): Promise<Unit> {
  return withClang((clang) => compileWith(clang, target, written, options));
}

async function compileWith(
  clang: Clang,
  target: Target,
  written: readonly WrittenSource[],
  options: CompileOptions,
): Promise<Unit> {
  const objects: Record<string, Uint8Array> = {};
  for (const [i, { source, replaced }] of written.entries())
    objects[`${i}.o`] = await compileOne(clang, source, replaced, options);
  const file = written.map((w) => w.source.file).join(', ');
  const names = cNames(written.flatMap((w) => w.replaced));
  return readUnit(file, 'c', await linkObjects({ clang, target, objects, file }, names));
}

function cNames(replaced: readonly WrittenFunction[]): string[] {
  return replaced.flatMap((r) => r.labels.filter((label) => identifier.test(label)));
}

async function compileOne(
  clang: Clang,
  source: Source,
  replaced: readonly WrittenFunction[],
  options: CompileOptions,
): Promise<Uint8Array> {
  const name = source.file.split(/[\\/]/).at(-1) ?? 'patch.c';
  const files = {
    ...options.headers,
    'wgraft.h': wgraftHeader,
    // Weak: the compiler must not inline a replacement into its neighbours, whose calls go through the program's slot.
    'wgraft-replaced.h': weakNames(cNames(replaced)),
    [name]: source.text,
  };
  const args = [...compile, ...(options.compilerFlags ?? []), name, '-o', 'wgraft-out.o'];
  const { ok, output, files: written } = await clang.run({ tool: 'clang', args, files });
  const object = written['wgraft-out.o'];
  if (!ok || object === undefined)
    throw new WgraftError('WGRAFT_ERR_SOURCE_INVALID', {
      file: source.file,
      errors: output.replaceAll(`${name}:`, `${source.file}:`).trim(),
    });
  return object;
}

/** As a system header: of a name that the source does not define, the compiler says nothing; we do, in the user's terms. */
function weakNames(names: readonly string[]): string {
  return `#pragma clang system_header\n${names.map((n) => `#pragma weak ${n}\n`).join('')}`;
}

interface Link {
  readonly clang: Clang;
  readonly target: Target;
  readonly objects: Readonly<Record<string, Uint8Array>>;
  readonly file: string;
}

/** Without the C library first: what the program has is the program's. Only what it lacks is looked for there. */
async function linkObjects(l: Link, names: readonly string[]): Promise<Uint8Array> {
  const exports = names.map((n) => `--export-if-defined=${n}`);
  const plain = await runLink(l, exports, []);
  if (plain.module === undefined) throw invalid(l.file, plain.output);
  const missing = missingFunctions(l.target, plain.module);
  if (missing.length === 0) return plain.module;
  const complete = await runLink(l, exports, [...present(l.target, plain.module)]);
  if (complete.module !== undefined) return complete.module;
  throw new WgraftError('WGRAFT_ERR_SOURCE_UNSUPPORTED', {
    file: l.file,
    what:
      `it calls ${missing.map((n) => `"${n}"`).join(', ')}, which the program does not contain; the C library's ` +
      `${culprits(complete.output)} cannot be part of a patch, since the code there is for a fixed address`,
    remedy: 'do without, or bring the function along as C source',
  });
}

/** Functions that the side module wants from outside and the program does not have. */
function missingFunctions(target: Target, module: Uint8Array): string[] {
  return readModule(module)
    .imports.filter((i) => i.module === 'env' && i.kind === 'func' && !target.functionsByName.has(i.name))
    .map((i) => i.name);
}

/** The program's functions, which the C library's must not shadow; those that the sources define are theirs. */
function present(target: Target, module: Uint8Array): Set<string> {
  const unit = readUnit('', 'c', module);
  const own = new Set(
    [...unit.names].filter(([i]) => i >= unit.module.imported.func).map(([, name]) => name),
  );
  const names = [...target.functionsByName.keys()].filter(
    (name) => !own.has(name) && identifier.test(name) && onlyFunction(target, name) !== undefined,
  );
  return new Set(names);
}

async function runLink(
  { clang, objects }: Link,
  exports: readonly string[],
  stubs: readonly string[],
): Promise<{ module: Uint8Array | undefined; output: string }> {
  const withLibrary = stubs.length > 0;
  const stub = `#STUB\n${stubs.join('\n')}\n`;
  const inputs = [...Object.keys(objects), ...(withLibrary ? ['program.so', ...library] : [])];
  const { ok, output, files } = await clang.run({
    tool: 'wasm-ld',
    args: [...link, ...exports, ...inputs, '-o', 'wgraft-out.wasm'],
    files: { ...objects, ...(withLibrary ? { 'program.so': stub } : {}) },
  });
  return { module: ok ? files['wgraft-out.wasm'] : undefined, output };
}

/** `wasm-ld: error: …/libc.a(vsnprintf.c.obj): relocation … recompile with -fPIC` */
function culprits(output: string): string {
  const members = new Set(
    [...output.matchAll(/\.a\(([\w.-]+?)(?:\.c)?\.o(?:bj)?\)/g)].map(([, name]) => name),
  );
  return members.size === 0 ? 'code' : [...members].slice(0, 5).join(', ');
}

function invalid(file: string, output: string): WgraftError {
  return new WgraftError('WGRAFT_ERR_SOURCE_INVALID', { file, errors: output.trim() });
}
