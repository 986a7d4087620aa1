// The `name` section: function names, and moving all function-indexed names when function indices move.

import type { FuncIndex, GlobalIndex } from './indices.ts';
import { Reader } from './reader.ts';
import { findCustom, type Section, sectionReader } from './sections.ts';
import { Writer } from './writer.ts';

const subsections = { module: 0, functions: 1, locals: 2, labels: 3, globals: 7 } as const;

/**
 * Function names by index. A damaged name section gives the names read so far: a module with one is still valid.
 * Names need not be unique.
 */
export function readFunctionNames(bytes: Uint8Array, sections: readonly Section[]): Map<FuncIndex, string> {
  return readNames(bytes, sections, subsections.functions);
}

/** Global names by index; damaged names as in `readFunctionNames`. */
export function readGlobalNames(bytes: Uint8Array, sections: readonly Section[]): Map<GlobalIndex, string> {
  return readNames(bytes, sections, subsections.globals);
}

function readNames(bytes: Uint8Array, sections: readonly Section[], wanted: number): Map<number, string> {
  const names = new Map<number, string>();
  const section = findCustom(sections, 'name');
  if (section === undefined) return names;
  const r = sectionReader(bytes, section);
  try {
    while (!r.done) {
      const id = r.u8();
      const body = r.sub(r.u32(), 'name subsection');
      if (id === wanted) body.vector('names', () => names.set(body.u32(), body.name()), 2);
    }
  } catch {
    // The specification asks that malformed names are ignored.
  }
  return names;
}

/** Where the functions of a module and what is named in them went. */
export interface MovedNames {
  /** The new index; undefined drops the entry. */
  readonly move: (index: FuncIndex) => FuncIndex | undefined;
  /** How many labels a function (by its old index) has now in front of those it had. */
  readonly newLabels?: (index: FuncIndex) => number;
  /** Names for functions behind all others. */
  readonly added?: ReadonlyMap<FuncIndex, string>;
}

/** Rewrites a name section's payload. Subsections of other things are copied. @throws WGRAFT_ERR_WASM_MALFORMED */
export function moveFunctionNames(
  payload: Uint8Array,
  { move, newLabels = () => 0, added = new Map() }: MovedNames,
): Uint8Array {
  const r = new Reader(payload);
  const out = new Writer(payload.length + 64);
  while (!r.done) {
    const id = r.u8();
    const size = r.u32();
    const body = r.sub(size, 'name subsection');
    if (id === subsections.functions) {
      const names = body.vector('names', () => [body.u32(), body.name()] as const, 2);
      const moved = names.flatMap(([index, name]) => {
        const to = move(index);
        return to === undefined ? [] : [[to, name] as const];
      });
      const inner = new Writer(size + 64);
      inner.vector([...moved, ...added], ([index, name]) => inner.u32(index).name(name));
      out.section(id, inner.view());
    } else if (id === subsections.locals) {
      out.section(
        id,
        moveIndirect(body, move, () => 0),
      );
    } else if (id === subsections.labels) {
      out.section(id, moveIndirect(body, move, newLabels));
    } else {
      out.section(id, payload.subarray(body.at, body.end));
    }
  }
  return out.toBytes();
}

/** An indirect name map: function index, then a name map whose indices go up by what `shift` says. */
function moveIndirect(
  body: Reader,
  move: MovedNames['move'],
  shift: (index: FuncIndex) => number,
): Uint8Array {
  const inner = new Writer(body.left + 16);
  const names = new Writer(256);
  let kept = 0;
  body.vector('functions', () => {
    const index = body.u32();
    const [to, by] = [move(index), shift(index)];
    const count = body.count('names', 2);
    names.reset().u32(count);
    for (let i = 0; i < count; i += 1) {
      names.u32(body.u32() + by);
      const start = body.at;
      body.skip(body.u32());
      names.copy(body.bytes, start, body.at);
    }
    if (to === undefined) return;
    inner.u32(to).raw(names.view());
    kept += 1;
  });
  return new Writer(inner.length + 5).u32(kept).raw(inner.view()).toBytes();
}
