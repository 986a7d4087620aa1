// Two builds of a C program and the patch between them, applied to a running instance. A source is written like a diff:
// lines that start with `-` are in the old build only, lines that start with `+` in the new build only.

import { type BuiltPatch, buildPatchFromBuilds, type FromBuildsOptions } from '../../src/build/index.ts';
import { WgraftError } from '../../src/errors.ts';
import { instantiate } from '../../src/host/index.ts';
import { prepare } from '../../src/prepare/index.ts';
import { Patcher } from '../../src/runtime/index.ts';
import { type CompileOptions, compileC } from './compile-c.ts';

/** A program without main whose exports are called; libc is there, constructors do not run by themselves. */
export const library: readonly string[] = ['-Wl,--emit-relocs', '-nostartfiles', '-Wl,--no-entry'];

/** A slot in every function, so that a patch replaces exactly what changed. */
export const everySlot: BuildChoices = { prepare: { slots: 'all' } };

/** For C sources of tests: functions that are exported, or not inlined. */
export const macros = `
#define NOINLINE __attribute__((noinline))
#define EXPORT(name) __attribute__((noinline, export_name(#name)))
`;

export type Builds = Pick<FromBuildsOptions, 'old' | 'new'>;
export type BuildChoices = Partial<Omit<FromBuildsOptions, 'old' | 'new'>>;
export type Call = (name: string, ...args: readonly (number | bigint)[]) => number | bigint | undefined;

/** The old and the new source of a diff. */
export function sourcesOf(diff: string): [old: string, next: string] {
  const side = (other: string, own: string): string =>
    diff
      .split('\n')
      .filter((line) => !line.startsWith(other))
      .map((line) => (line.startsWith(own) ? line.slice(1) : line))
      .join('\n');
  return [side('+', '-'), side('-', '+')];
}

/** Compiles both sides of a diff. */
export async function compileDiff(diff: string, options: CompileOptions = {}): Promise<Builds> {
  const [old, next] = sourcesOf(diff);
  const all = { ...options, flags: [...library, ...(options.flags ?? [])] };
  return { old: await compileC(old, all), new: await compileC(next, all) };
}

/** The patch between two builds. */
export function patchOf(builds: Builds, choices: BuildChoices = {}): Promise<BuiltPatch> {
  return buildPatchFromBuilds({ ...builds, name: 'fix', ...choices });
}

/** What a patch replaces and brings, by name, each sorted. */
export function contentsOf({ report }: BuiltPatch): { replaced: string[]; added: string[] } {
  return { replaced: report.functions.map((f) => f.name).sort(), added: [...report.added].sort() };
}

export interface Live {
  readonly call: Call;
  readonly patcher: Patcher;
  readonly instance: WebAssembly.Instance;
}

/** A running instance of a build, prepared, as its patcher sees it. */
export async function run(
  build: Uint8Array,
  choices: Pick<BuildChoices, 'prepare'> = {},
  imports: WebAssembly.Imports = {},
): Promise<Live> {
  const patcher = new Patcher();
  const { bytes } = await prepare(build, choices.prepare);
  const { instance } = await instantiate(bytes, imports, { patcher });
  return { patcher, instance, call: caller(instance) };
}

/** An instance of a build that nothing was done to. */
export async function runPlain(
  build: Uint8Array,
  imports: WebAssembly.Imports = {},
): Promise<Pick<Live, 'call' | 'instance'>> {
  const module = await WebAssembly.compile(new Uint8Array(build));
  const instance = await WebAssembly.instantiate(module, imports);
  return { instance, call: caller(instance) };
}

/** The bytes of an instance's memory. */
export function memoryOf({ instance }: Pick<Live, 'instance'>): Uint8Array {
  const { memory } = instance.exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error('the program exports no memory');
  return new Uint8Array(memory.buffer);
}

function caller({ exports }: WebAssembly.Instance): Call {
  return (name, ...args) => {
    const found = exports[name];
    if (typeof found !== 'function') throw new Error(`the program exports no function "${name}"`);
    return found(...args);
  };
}

/** What building a patch throws, as code, exit code and message. */
export async function refusal(builds: Builds, choices: BuildChoices = {}): Promise<string> {
  const error: unknown = await patchOf(builds, choices).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!WgraftError.is(error)) throw error ?? new Error('nothing was refused');
  return `${error.code} (exit ${error.exitCode}): ${error.message}`;
}

/** What the same look sees before, with and after the patch. */
export async function lookThrice(
  builds: Builds,
  look: (call: Call) => unknown,
  choices: BuildChoices = everySlot,
  imports: WebAssembly.Imports = {},
): Promise<unknown[]> {
  const patch = await patchOf(builds, choices);
  const live = await run(builds.old, choices, imports);
  const seen = [look(live.call)];
  await live.patcher.apply(patch.bytes);
  seen.push(look(live.call));
  await live.patcher.revert(undefined);
  seen.push(look(live.call));
  return seen;
}
