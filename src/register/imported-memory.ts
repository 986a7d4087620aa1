// The memory of an instance, where others can have it too: it is imported, and shared. One that an instance has made itself is its own.

import { engine } from '../wasm/index.ts';

type Import = Pick<WebAssembly.ModuleImportDescriptor, 'module' | 'name'>;

const memories = new WeakMap<WebAssembly.Module, Import | 'none'>();

/** Memory 0, which patches use; undefined where it is not imported or not shared. */
export function importedSharedMemory(
  of: WebAssembly.Module,
  imports: WebAssembly.Imports,
): WebAssembly.Memory | undefined {
  const wanted = memories.get(of) ?? engine.imports(of).find(({ kind }) => kind === 'memory') ?? 'none';
  memories.set(of, wanted);
  if (wanted === 'none') return undefined;
  const given = imports[wanted.module]?.[wanted.name];
  const isShared = given instanceof WebAssembly.Memory && given.buffer instanceof SharedArrayBuffer;
  return isShared ? given : undefined;
}
