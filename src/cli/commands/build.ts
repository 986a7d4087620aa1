// wgraft build: replacement functions in WAT or C, or two builds, in; a patch out.

import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type {
  BuildOptions,
  BuildReport,
  BuiltPatch,
  FromBuildsOptions,
  ReplacementSource,
  ReportedFunction,
  Source,
} from '../../build/index.ts';
import { WgraftError } from '../../errors.ts';
import {
  type ConsistencyModel,
  consistencyModels,
  type PatchMetadata,
  type SystemState,
} from '../../patch/index.ts';
import type { PrepareOptions } from '../../prepare/index.ts';
import { readBuilds, readHeaders, readText, type TwoBuilds } from '../builds.ts';
import { readModuleInput, writeOutput } from '../files.ts';
import { noteLarge } from '../long-wait.ts';
import { collect, describe, showTime } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';
import { plural, shortId, some } from '../table.ts';
import { slotsOption } from './prepare.ts';

interface BuildCommandOptions extends OutputOptions {
  target?: string;
  slots?: PrepareOptions['slots'];
  keepData?: readonly string[];
  allowLayout?: readonly string[];
  allowNewState?: readonly string[];
  source?: string;
  patch?: string;
  make?: string;
  wasm?: string;
  work?: string;
  output: string;
  replace?: readonly string[];
  name?: string;
  description?: string;
  author?: string;
  cve?: readonly string[];
  allocator?: string;
  allowImport?: readonly string[];
  callbacks?: string;
  cumulative?: boolean;
  state?: readonly SystemState[];
  model?: ConsistencyModel;
  symbols?: string;
  header?: readonly string[];
  cflag?: readonly string[];
}

export function addBuild(program: Command, output: Output): void {
  const command = program
    .command('build')
    .argument('[old]', 'the build that runs, before it was prepared: a module or a C source')
    .argument('[new]', 'the build with the fix')
    .option('--target <module>', 'the prepared module that the patch is for')
    .addOption(slotsOption())
    .option('--replace <function=file>', 'a function and its new source, .wat or .c; repeatable', collect)
    .requiredOption('-o, --output <file>', 'where to write the patch, - for stdout')
    .option('--name <name>', 'what status calls it; default: the name of the output file')
    .option('--description <text>', 'what the patch is for')
    .option('--author <text>', 'who made it')
    .option('--cve <id>', 'a CVE that it fixes; repeatable', collect)
    .option(
      '--allocator <how>',
      'memory for its data: grow, malloc=NAME or malloc=#INDEX; default: what is safe',
    )
    .option('--callbacks <file>', 'a source with callbacks, .wat or .c, besides those in the other sources')
    .option('--cumulative', 'it takes the place of all patches that are applied')
    .option('--state <id=version>', 'a system state that it changes; repeatable', collectStates)
    .addOption(
      new Option('--model <name>', 'when instances may switch; default: as apply says').choices(
        consistencyModels,
      ),
    )
    .option('--allow-import <module.name>', 'a host import that the program has not; repeatable', collect)
    .option(
      '--keep-data <name>',
      'a variable whose running value may stay, or that a callback sets, or all; repeatable',
      collect,
    )
    .option(
      '--allow-layout <struct>',
      'a struct whose layout may change, since no object of it is alive, or all; repeatable',
      collect,
    )
    .option(
      '--allow-new-state <name>',
      'a new variable that may take the place of a constant, or all; repeatable',
      collect,
    )
    .option('--source <folder>', 'a source tree that is built twice, without and with --patch')
    .option('--patch <diff>', 'the fix, a unified diff that is applied with -p1')
    .option('--make <command>', 'the shell command that builds; it runs in a copy of the source')
    .option('--wasm <path>', 'the module that it makes, in the source')
    .option(
      '--work <folder>',
      'where to build; what was built is kept there, and a later run goes on from it',
    )
    .option('--symbols <module>', 'the original build with relocations: has the addresses of its data')
    .option('--header <file>', 'a header for C sources; repeatable', collect)
    .option('--cflag <flag>', 'an option for the C compiler; repeatable', collect)
    .action((old: string | undefined, next: string | undefined, options: BuildCommandOptions) =>
      build(output, old === undefined ? [] : next === undefined ? [old] : [old, next], options),
    );
  describe(command, {
    summary: 'build a patch from two builds, or from replacement functions',
    examples: [
      'wgraft build old.wasm new.wasm -o fix.wgp',
      'wgraft build old.c new.c -o fix.wgp --slots all',
      "wgraft build --source app --patch fix.diff --make 'make app.wasm' --wasm app.wasm -o fix.wgp",
      'wgraft build --target app.slots.wasm --replace parse_header=fix.wat -o fix.wgp',
      'wgraft build --target app.slots.wasm --replace init,2=init.c --cve CVE-2026-1234 -o fix.wgp',
    ],
    notes: [
      'From two builds: link both with -Wl,--emit-relocs. The program runs what was prepared from the old one: with the default policy, with the one of --slots, or as --target shows. wgraft diff says what such a patch does.',
      'From source: both builds are made in one folder, so that __FILE__ is the same, and lines of C keep their numbers. Builds without relocations (AssemblyScript, stripped modules) work as long as no data moves.',
      'By hand: FUNCTION is a name, NAME,N for the N-th of several that have it, or #INDEX in the prepared module. C needs the package @yowasp/clang.',
      'Callbacks are functions marked WGRAFT_PRE_PATCH, WGRAFT_POST_PATCH, WGRAFT_PRE_UNPATCH or WGRAFT_POST_UNPATCH (wgraft.h), in WAT exports __wgraft_pre_patch and so on: in any source, in the new build, or in --callbacks.',
      'With -o - the report goes to stderr.',
    ],
    exits: {
      0: true,
      1: 'a file cannot be read or written, or the source cannot be built',
      2: true,
      3: 'nothing changed between the builds',
      4: 'cannot be patched: the message says why',
    },
  });
}

async function build(output: Output, files: readonly string[], options: BuildCommandOptions): Promise<void> {
  const toStdout = options.output === '-';
  if (toStdout) output.documentsToStderr();
  const built = await patchOf(output, files, options);
  await writeOutput(options.output, built.bytes);
  for (const note of built.report.notes) output.note(note);
  const { name } = built.manifest;
  const text = output.json ? '' : await showReport(options.output, name, built.report);
  if (toStdout && !output.json) return output.note(text.trimEnd());
  output.result({ file: options.output, name, target: built.manifest.target, ...built.report }, () => text);
}

async function patchOf(
  output: Output,
  files: readonly string[],
  options: BuildCommandOptions,
): Promise<BuiltPatch> {
  const { replace = [], header = [], cflag = [] } = options;
  const [old, next] = files;
  if (options.source !== undefined) return fromBuilds(await fromSource(output, files, options), options);
  if (old === undefined) return byHand(options);
  if (next === undefined) refuse('name two builds, the old one and the new one');
  if (replace.length > 0) refuse('--replace is for patches by hand; two builds say themselves what changed');
  if (options.symbols !== undefined) refuse('--symbols is for patches by hand; builds have their own');
  const headers = await readHeaders(header);
  const builds = await readBuilds(old, next, { headers, compilerFlags: cflag });
  await noteLarge(output, `comparing ${old} with ${next}`, builds.old.length);
  return fromBuilds(builds, options);
}

async function fromSource(
  output: Output,
  files: readonly string[],
  options: BuildCommandOptions,
): Promise<TwoBuilds> {
  const { source, patch, make, wasm, work } = options;
  if (files.length > 0 || options.replace !== undefined)
    refuse('--source makes both builds itself: name no others, and no --replace');
  if (source === undefined || patch === undefined || make === undefined || wasm === undefined)
    refuse('--source needs --patch, --make and --wasm');
  const { buildSource } = await import('../source-build.ts');
  return buildSource({
    ...{ source, patch, make, wasm },
    onStep: (text) => output.note(text),
    ...(work === undefined ? {} : { work }),
  });
}

async function fromBuilds(builds: TwoBuilds, options: BuildCommandOptions): Promise<BuiltPatch> {
  const { keepData = [], allowLayout = [], allowNewState = [] } = options;
  if (options.target !== undefined && options.slots !== undefined)
    refuse('--target and --slots say the same thing: give one of them');
  const { buildPatchFromBuilds } = await import('../../build/index.ts');
  return buildPatchFromBuilds({
    ...builds,
    ...(await shared(options)),
    keepData: keepData.includes('all') ? 'all' : keepData,
    allowLayouts: allowLayout.includes('all') ? 'all' : allowLayout,
    allowNewState: allowNewState.includes('all') ? 'all' : allowNewState,
    ...(options.target === undefined ? {} : { target: await readModuleInput(options.target) }),
    ...(options.slots === undefined ? {} : { prepare: { slots: options.slots } }),
  });
}

async function byHand(options: BuildCommandOptions): Promise<BuiltPatch> {
  const { target, replace = [] } = options;
  if (target === undefined) refuse('name two builds, or a prepared module with --target');
  if (replace.length === 0) refuse('name at least one function with --replace FUNCTION=FILE');
  if (options.slots !== undefined) refuse('--slots is for patches from two builds');
  if (options.keepData !== undefined) refuse('--keep-data is for patches from two builds');
  if (options.allowLayout !== undefined) refuse('--allow-layout is for patches from two builds');
  if (options.allowNewState !== undefined) refuse('--allow-new-state is for patches from two builds');
  const { buildPatch } = await import('../../build/index.ts');
  return buildPatch({
    ...(await shared(options)),
    target: await readModuleInput(target),
    replacements: await Promise.all(replace.map(readReplacement)),
    ...(options.symbols === undefined ? {} : { symbols: await readModuleInput(options.symbols) }),
  });
}

/** What both ways of building take. */
async function shared(
  options: BuildCommandOptions,
): Promise<Omit<BuildOptions & FromBuildsOptions, 'target' | 'old' | 'new' | 'replacements'>> {
  const { allocator, callbacks, model } = options;
  return {
    name: options.name ?? nameOf(options.output),
    metadata: metadata(options),
    allowImports: options.allowImport ?? [],
    headers: await readHeaders(options.header ?? []),
    compilerFlags: options.cflag ?? [],
    cumulative: options.cumulative ?? false,
    states: options.state ?? [],
    ...(allocator === undefined ? {} : { allocator }),
    ...(callbacks === undefined ? {} : { callbacks: await readSource(callbacks) }),
    ...(model === undefined ? {} : { model }),
  };
}

async function readReplacement(given: string): Promise<ReplacementSource> {
  // A function's name may hold a `=`, as operator== does; the file comes last.
  const at = given.lastIndexOf('=');
  const file = given.slice(at + 1);
  if (at < 1 || file === '') refuse(`"${given}" is not of the form --replace FUNCTION=FILE`);
  return { function: given.slice(0, at), source: await readSource(file) };
}

async function readSource(file: string): Promise<Source> {
  const extension = path.extname(file);
  if (extension !== '.wat' && extension !== '.c') refuse(`${file} is neither a .wat nor a .c file`);
  return { kind: extension === '.c' ? 'c' : 'wat', text: await readText(file), file };
}

/** The parser of `--state ID=VERSION`. */
function collectStates(given: string, before: readonly SystemState[] = []): readonly SystemState[] {
  const [, id, version] = /^(\d{1,10})=(\d{1,10})$/.exec(given) ?? [];
  if (id === undefined || version === undefined)
    throw new InvalidArgumentError('It must be of the form ID=VERSION, two numbers.');
  return [...before, { id: Number(id), version: Number(version) }];
}

function nameOf(file: string): string {
  if (file === '-') refuse('give the patch a name with --name');
  return path.basename(file).replace(/\.wgp$/, '');
}

function metadata({ description, author, cve }: BuildCommandOptions): PatchMetadata {
  return {
    ...(description === undefined ? {} : { description }),
    ...(author === undefined ? {} : { author }),
    ...(cve === undefined ? {} : { cves: cve }),
  };
}

function refuse(what: string): never {
  throw new WgraftError('WGRAFT_ERR_USAGE', { what, command: 'build' });
}

function writtenAt({ file, source }: ReportedFunction): string {
  return source === undefined ? file : `${source.file}:${source.line}`;
}

async function showReport(file: string, name: string, report: BuildReport): Promise<string> {
  const { default: prettyBytes } = await import('pretty-bytes');
  const lines = [
    `${file}   ${name}, ${plural(report.functions.length, 'function')}, ${prettyBytes(report.sizeBytes)}, id ${shortId(report.id)}, in ${showTime(report.elapsedMs)}`,
    ...report.functions
      .filter((f) => !f.copied)
      .map((f) => `  replaces ${f.name} ${f.type}   from ${writtenAt(f)}`),
  ];
  const copied = report.functions.filter((f) => f.copied).map((f) => f.name);
  if (copied.length > 0) lines.push(`  replaces ${some(copied, 5)}   copied from the program`);
  if (report.added.length > 0) lines.push(`  adds ${report.added.join(', ')}`);
  for (const [callback, name] of Object.entries(report.callbacks ?? {}))
    lines.push(`  calls back ${name}   ${callback}`);
  const { sizeBytes = 0 } = report.memory ?? {};
  if (sizeBytes > 0) lines.push(`  needs ${plural(sizeBytes, 'byte')} of memory`);
  return `${lines.join('\n')}\n`;
}
