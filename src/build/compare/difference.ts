// The first instructions in which two versions of a function differ, shown with the names of what they refer to.

import { op, Reader, readValType, showInstruction } from '../../wasm/index.ts';
import type { Build, BuildFunction, Reference } from './build.ts';
import { instructionsOf } from './equality.ts';

export interface Difference {
  readonly old: string;
  readonly new: string;
}

/** @param at offsets of the first differing instructions, as `Equality` gives them */
export function showDifference(
  builds: { readonly old: Build; readonly new: Build },
  functions: { readonly old: BuildFunction; readonly new: BuildFunction },
  at: { readonly old: number; readonly new: number },
): Difference {
  const locals = { old: showLocals(builds.old, functions.old), new: showLocals(builds.new, functions.new) };
  // They stand before all instructions.
  if (locals.old !== locals.new && isFirst(builds.old, functions.old, at.old)) return locals;
  return {
    old: showAt(builds.old, functions.old, at.old),
    new: showAt(builds.new, functions.new, at.new),
  };
}

function isFirst(build: Build, f: BuildFunction, at: number): boolean {
  return instructionsOf(build, f)[0]?.at === at;
}

function showLocals(build: Build, { body }: BuildFunction): string {
  if (body === undefined) return 'no locals';
  const r = new Reader(build.module.bytes, body.start, body.end);
  const runs = r.vector('locals', () => [r.u32(), readValType(r)] as const);
  return runs.length === 0 ? 'no locals' : `locals ${runs.map(([n, type]) => `${n} ${type}`).join(', ')}`;
}

function showAt(build: Build, f: BuildFunction, at: number): string {
  const i = instructionsOf(build, f).find((candidate) => candidate.at === at);
  if (i === undefined) return 'the end';
  const reference = f.references.find((r) => r.at >= i.at && r.at < i.next);
  const shown = showInstruction(build.module.bytes, i, (opcode, index) => {
    if (reference?.symbol?.name !== undefined) return `$${reference.symbol.name}`;
    return nameOf(build, opcode, index);
  });
  const address = reference === undefined ? undefined : showAddress(build, reference);
  return address === undefined ? shown : `${shown.slice(0, shown.lastIndexOf(' '))} ${address}`;
}

function nameOf(build: Build, opcode: number, index: number): string | undefined {
  const isFunction = opcode === op.call || opcode === op.returnCall || opcode === op.refFunc;
  const name = isFunction
    ? build.functions[index]?.names[0]
    : opcode === op.globalGet || opcode === op.globalSet
      ? build.globalNames.get(index)
      : undefined;
  return name === undefined ? undefined : `$${name}`;
}

/** An address in an instruction, by what stands there; short strings are shown as such. */
function showAddress(build: Build, { relocation, symbol }: Reference): string | undefined {
  const { target } = relocation.type;
  if (symbol?.name === undefined || (target !== 'memory' && target !== 'table-entry')) return undefined;
  const { addend } = relocation;
  const sum = addend === 0 ? '' : addend < 0 ? ` - ${-addend}` : ` + ${addend}`;
  const data = build.dataOf.get(symbol);
  const text = data?.anonymous ? textAt(build, data.content) : undefined;
  return `&${symbol.name}${sum}${text === undefined ? '' : ` (${JSON.stringify(text)})`}`;
}

const longestText = 60;

/** The string literal that stands there, if it is one. */
function textAt(
  build: Build,
  { start, end }: { readonly start: number; readonly end: number },
): string | undefined {
  const text = new TextDecoder().decode(build.module.bytes.subarray(start, end)).replace(/\0$/, '');
  if (!/^[\x20-\x7e\s]+$/.test(text)) return undefined;
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
}
