// Which of a program's modules are prepared, and what they are called. A module has no name of its own that a user would
// know, so it is called after the package, or else the file, whose code asks for it.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { getCallSites } from 'node:util';
import { standInFile } from '../wasm/stand-in.ts';
import type { Config, ModuleRule } from './config.ts';

const ours = path.dirname(fileURLToPath(import.meta.url)) + path.sep;
/** Promise chains and glue code put some frames in between. */
const depth = 24;

/** Whose code is on the stack: a package or a file; `node` for what Node brings along; undefined where nobody can be told. */
export function callerName(): string | undefined {
  for (const { scriptName } of getCallSites(depth)) {
    if (scriptName.startsWith('node:internal/deps/')) return 'node';
    if (scriptName.startsWith('node:') || scriptName === '') continue;
    const file = scriptName.startsWith('file:') ? fileURLToPath(scriptName) : scriptName;
    if (file.startsWith(ours) || file === fileURLToPath(standInFile)) continue;
    return packageOf(file) ?? path.basename(file).replace(/\.[cm]?[jt]sx?$/, '');
  }
  return undefined;
}

function packageOf(file: string): string | undefined {
  const folders = file.split(/[\\/]/);
  const at = folders.lastIndexOf('node_modules');
  const name = folders[at + 1];
  if (at === -1 || name === undefined || at + 2 >= folders.length) return undefined;
  return name.startsWith('@') ? `${name}/${folders[at + 2]}` : name;
}

/** What a rule can ask of a module; the hash is only made where a rule asks for it. */
export interface Candidate {
  readonly name: string | undefined;
  readonly sizeBytes: number;
  readonly sha256: () => string;
}

/** Why a module is left as it is; undefined where it is to be prepared. */
export function whyLeft(candidate: Candidate, { only, except }: Config): string | undefined {
  if (candidate.name === 'node') return 'it is one of Node itself';
  if (except.some((rule) => isMeant(rule, candidate))) return 'it is excepted';
  if (only !== undefined && !only.some((rule) => isMeant(rule, candidate))) return 'it is not selected';
  return undefined;
}

function isMeant(rule: ModuleRule, { name = '', sizeBytes, sha256 }: Candidate): boolean {
  if (rule.name !== undefined && !fits(rule.name, name)) return false;
  if (sizeBytes < (rule.minBytes ?? 0) || sizeBytes > (rule.maxBytes ?? Number.POSITIVE_INFINITY))
    return false;
  return rule.sha256 === undefined || sha256().startsWith(rule.sha256);
}

function fits(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
