// Where memory for a patch's own data comes from. Decided per program, by evidence that is written into the manifest: pages
// that a patch adds must not look to the program's allocator like pages of its own, and its malloc must be a malloc.

import { WgraftError } from '../errors.ts';
import { type Allocator, type FindOnly, mallocType, namedAllocator, namedFree } from '../patch/index.ts';
import { bodyReader, type FuncIndex, findCustom, op, Reader, sectionReader, walk } from '../wasm/index.ts';
import { findFunction } from './function-reference.ts';
import { showProgramType } from './import-types.ts';
import { showTargetFunction, type Target } from './target.ts';

/** The user's word for it: `grow`, `malloc=NAME` or `malloc=#INDEX`. */
export type AllocatorChoice = string;

/**
 * Decides.
 * @throws WGRAFT_ERR_NO_ALLOCATOR where nothing is certain, WGRAFT_ERR_OPTION_INVALID for a choice that cannot be
 */
export function chooseAllocator(
  target: Target,
  sizeBytes: number,
  choice: AllocatorChoice | undefined,
): Allocator {
  const refuse = (reason: string): never => {
    throw new WgraftError('WGRAFT_ERR_NO_ALLOCATOR', { sizeBytes, reason });
  };
  const [memory] = target.module.memories;
  if (memory === undefined) return refuse('the program has no memory');
  if (memory.flags & 4)
    return refuse('its memory has 64-bit addresses, which patches with data do not support yet');
  if (choice !== undefined) return chosen(target, choice);
  const malloc = namedAllocator(onlyOf(target));
  if (malloc !== undefined) return malloc;
  const verdict = mayGrow(target);
  if (!verdict.safe) return refuse(verdict.reason);
  if (memory.max !== undefined && memory.max === memory.min)
    return refuse('its memory is at its maximum from the start, and it has no allocator with a known name');
  return { kind: 'grow', reason: verdict.reason };
}

function chosen(target: Target, choice: AllocatorChoice): Allocator {
  if (choice === 'grow') return { kind: 'grow', reason: 'chosen by the author of the patch' };
  const [, reference] = /^malloc=(.+)$/s.exec(choice) ?? [];
  if (reference === undefined) invalid(`"${choice}" is none of grow, malloc=NAME, malloc=#INDEX`);
  const index = findFunction(target, reference);
  const type = showProgramType(target, index);
  const name = showTargetFunction(target, index);
  if (type !== mallocType) invalid(`"${name}" has type ${type}, an allocator has ${mallocType}`);
  return {
    kind: 'function',
    index,
    name,
    ...namedFree(onlyOf(target), name),
    reason: 'chosen by the author of the patch',
  };
}

function invalid(reason: string): never {
  throw new WgraftError('WGRAFT_ERR_OPTION_INVALID', { option: 'allocator', reason });
}

function onlyOf(target: Target): FindOnly {
  return (name, type) => {
    const [index, ...others] = target.functionsByName.get(name) ?? [];
    return index === undefined || others.length > 0 || showProgramType(target, index) !== type
      ? undefined
      : index;
  };
}

interface Verdict {
  readonly safe: boolean;
  readonly reason: string;
}

function mayGrow(target: Target): Verdict {
  const { growing, asking } = memoryUse(target);
  const emscripten = target.module.imports.find(
    (i) => i.kind === 'func' && /^_?emscripten_|^segfault$|^_embind_/.test(i.name),
  );
  const no = (reason: string): Verdict => ({ safe: false, reason });
  if (emscripten !== undefined)
    return no(
      `it is an Emscripten program (it imports "${emscripten.name}"), whose sbrk takes pages that others added for its own`,
    );
  if (growing.length === 0 && asking.length === 0)
    return {
      safe: true,
      reason:
        'the program never executes memory.grow or memory.size, so it cannot take added pages for its own',
    };
  const language = runtimeOf(target);
  if (language.refused !== undefined) return no(`${language.refused} lays out the whole memory by itself`);
  if (language.known === undefined)
    return no('it grows its memory itself, and nothing says which allocator it uses');
  const odd = growing.find((f) => !f.usesResult);
  if (growing.length === 0 || odd !== undefined)
    return no(
      odd === undefined
        ? 'it asks for the size of its memory'
        : `"${showTargetFunction(target, odd.index)}" grows the memory without taking the address from memory.grow`,
    );
  return {
    safe: true,
    reason: `${language.known}: its allocator takes the address of new pages from memory.grow, so pages in between may be others'`,
  };
}

interface Grower {
  readonly index: FuncIndex;
  /** True where the old size that memory.grow returns is turned into an address (shifted left by 16). */
  readonly usesResult: boolean;
}

/** Which functions of the kernel execute memory.grow and memory.size on memory 0. */
function memoryUse(target: Target): { growing: Grower[]; asking: FuncIndex[] } {
  const growing: Grower[] = [];
  const asking: FuncIndex[] = [];
  const m = target.module;
  for (const [position, body] of m.bodies.entries()) {
    const index = position + m.imported.func;
    if (!target.functions.has(index)) continue;
    let [grows, usesResult, asks, sixteen] = [false, false, false, false];
    walk(bodyReader(m.bytes, body), (i) => {
      if (grows && sixteen && i.opcode === op.i32Shl) usesResult = true;
      sixteen = i.opcode === op.i32Const && new Reader(m.bytes, i.immediate, i.next).s32() === 16;
      if (i.opcode === op.memoryGrow && i.index === 0) grows = true;
      if (i.opcode === op.memorySize && i.index === 0) asks = true;
    });
    if (grows) growing.push({ index, usesResult });
    if (asks) asking.push(index);
  }
  return { growing, asking };
}

/** What made the program: C and Rust programs for WASI have wasi-libc's or dlmalloc's allocator; others are not known to share. */
function runtimeOf(target: Target): { known?: string; refused?: string } {
  const fields = producerFields(target);
  const says = (pattern: RegExp): boolean => fields.some((f) => pattern.test(f));
  const imports = (pattern: RegExp): boolean => target.module.imports.some((i) => pattern.test(i.module));
  if (says(/\bgo\b|tinygo/i) || imports(/^go(js)?$/)) return { refused: 'Go' };
  if (says(/assemblyscript/i)) return { refused: 'AssemblyScript' };
  if (says(/emscripten/i)) return { refused: 'Emscripten' };
  if (says(/rustc/i)) return { known: 'a Rust program' };
  if (says(/clang/i) && imports(/^wasi_snapshot_preview1$/)) return { known: 'a C program for WASI' };
  return {};
}

/** Names and versions in the `producers` section; empty where there is none or it is damaged. */
function producerFields(target: Target): string[] {
  const section = findCustom(target.module.sections, 'producers');
  if (section === undefined) return [];
  const r = sectionReader(target.module.bytes, section);
  try {
    return r
      .vector('fields', () => {
        r.name();
        return r.vector('values', () => `${r.name()} ${r.name()}`);
      })
      .flat();
  } catch {
    return [];
  }
}
