// A replacement that only calls what it replaces, in WAT.

import type { ReplacementSource } from '../../src/build/index.ts';
import type { SlotMapFunction } from '../../src/patch/index.ts';

/** `(i64, i32) -> (i64)` as WAT has it. */
function signature(type: string): { text: string; params: number } {
  const [params = '', results = ''] = type.split('->').map((part) => part.replace(/[(),]/g, ' ').trim());
  const result = results === '' ? '' : `(result ${results})`;
  return { text: `(param ${params}) ${result}`, params: params === '' ? 0 : params.split(/\s+/).length };
}

function wrapper(name: string, type: string): string {
  const { text, params } = signature(type);
  const given = Array.from({ length: params }, (_, i) => `(local.get ${i})`).join(' ');
  return `(module (import "original" "${name}" (func $original ${text}))
    (func (export "${name}") ${text} (call $original ${given})))`;
}

/** By index: names may be there more than once, or not at all. */
export function wrapped({ index, type }: Pick<SlotMapFunction, 'index' | 'type'>): ReplacementSource {
  const name = `#${index}`;
  return { function: name, source: { kind: 'wat', text: wrapper(name, type), file: `${name}.wat` } };
}
