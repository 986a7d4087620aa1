// wgraft build: replacement functions in WAT or C in, a patch out.

import path from 'node:path';
import type { Command } from 'commander';
import type { BuildReport, ReplacementSource } from '../../build/index.ts';
import { WgraftError } from '../../errors.ts';
import type { PatchMetadata } from '../../patch/index.ts';
import { readInput, writeOutput } from '../files.ts';
import { collect, describe, showTime } from '../options.ts';
import type { Output, OutputOptions } from '../output.ts';
import { plural, shortId } from '../table.ts';

interface BuildCommandOptions extends OutputOptions {
  target: string;
  output: string;
  replace?: readonly string[];
  name?: string;
  description?: string;
  author?: string;
  cve?: readonly string[];
  allocator?: string;
  allowImport?: readonly string[];
  symbols?: string;
  header?: readonly string[];
  cflag?: readonly string[];
}

export function addBuild(program: Command, output: Output): void {
  const command = program
    .command('build')
    .requiredOption('--target <module>', 'the prepared module that the patch is for')
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
    .option('--allow-import <module.name>', 'a host import that the program has not; repeatable', collect)
    .option('--symbols <module>', 'the original build with relocations: has the addresses of its data')
    .option('--header <file>', 'a header for C sources; repeatable', collect)
    .option('--cflag <flag>', 'an option for the C compiler; repeatable', collect)
    .action((options: BuildCommandOptions) => build(output, options));
  describe(command, {
    summary: 'build a patch from replacement functions',
    examples: [
      'wgraft build --target app.slots.wasm --replace parse_header=fix.wat -o fix.wgp',
      'wgraft build --target app.slots.wasm --replace init,2=init.c --cve CVE-2026-1234 -o fix.wgp',
    ],
    notes: [
      'FUNCTION is a name, NAME,N for the N-th of several that have it, or #INDEX in the prepared module. C needs the package @yowasp/clang.',
      'With -o - the report goes to stderr.',
    ],
    exits: {
      0: true,
      1: 'a file cannot be read or written',
      2: true,
      4: 'cannot be patched: the message says why',
    },
  });
}

async function build(output: Output, options: BuildCommandOptions): Promise<void> {
  const toStdout = options.output === '-';
  if (toStdout) output.documentsToStderr();
  const { replace = [], allowImport = [], header = [], cflag = [] } = options;
  if (replace.length === 0) refuse('name at least one function with --replace FUNCTION=FILE');
  const { buildPatch } = await import('../../build/index.ts');
  const built = await buildPatch({
    target: await readInput(options.target),
    replacements: await Promise.all(replace.map(readReplacement)),
    name: options.name ?? nameOf(options.output),
    metadata: metadata(options),
    allowImports: allowImport,
    headers: await readHeaders(header),
    compilerFlags: cflag,
    ...(options.allocator === undefined ? {} : { allocator: options.allocator }),
    ...(options.symbols === undefined ? {} : { symbols: await readInput(options.symbols) }),
  });
  await writeOutput(options.output, built.bytes);
  for (const note of built.report.notes) output.note(note);
  const { name } = built.manifest;
  const text = output.json ? '' : await showReport(options.output, name, built.report);
  if (toStdout && !output.json) return output.note(text.trimEnd());
  output.result({ file: options.output, name, target: built.manifest.target, ...built.report }, () => text);
}

async function readReplacement(given: string): Promise<ReplacementSource> {
  // A function's name may hold a `=`, as operator== does; the file comes last.
  const at = given.lastIndexOf('=');
  const file = given.slice(at + 1);
  const extension = path.extname(file);
  if (at < 1 || file === '') refuse(`"${given}" is not of the form --replace FUNCTION=FILE`);
  if (extension !== '.wat' && extension !== '.c') refuse(`${file} is neither a .wat nor a .c file`);
  const kind = extension === '.c' ? 'c' : 'wat';
  return { function: given.slice(0, at), source: { kind, text: await readText(file), file } };
}

async function readHeaders(files: readonly string[]): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const file of files) headers[path.basename(file)] = await readText(file);
  return headers;
}

async function readText(file: string): Promise<string> {
  return new TextDecoder().decode(await readInput(file));
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

async function showReport(file: string, name: string, report: BuildReport): Promise<string> {
  const { default: prettyBytes } = await import('pretty-bytes');
  const lines = [
    `${file}   ${name}, ${plural(report.functions.length, 'function')}, ${prettyBytes(report.sizeBytes)}, id ${shortId(report.id)}, in ${showTime(report.elapsedMs)}`,
    ...report.functions.map((f) => `  replaces ${f.name} ${f.type}   from ${f.file}`),
  ];
  if (report.added.length > 0) lines.push(`  adds ${report.added.join(', ')}`);
  if (report.memory !== undefined) lines.push(`  needs ${plural(report.memory.sizeBytes, 'byte')} of memory`);
  return `${lines.join('\n')}\n`;
}
