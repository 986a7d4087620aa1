// Debug information that may be missing or damaged: both only mean that less is known of a build, so nothing here throws.

import { WgraftError } from '../../errors.ts';
import type { FuncIndex, WasmModule } from '../../wasm/index.ts';
import { DebugInfo } from './debug-info.ts';
import type { StructLayout } from './layouts.ts';
import type { SourcePosition } from './sources.ts';

/** What is known of a build's sources: see DebugInfo. */
export interface KnownSources {
  readonly state: 'there' | 'none' | 'unreadable';
  /** Why it cannot be read. */
  readonly reason: string | undefined;
  sourceOf(index: FuncIndex): SourcePosition | undefined;
  describes(index: FuncIndex): boolean;
  structLayouts(): readonly StructLayout[];
}

/** Reads a build's debug information as far as there is any. */
export function readDebugInfo(module: WasmModule): KnownSources {
  let info: DebugInfo | undefined;
  let reason: string | undefined;
  const ask = <T>(question: () => T): T | undefined => {
    if (reason !== undefined) return undefined;
    try {
      return question();
    } catch (error) {
      if (!WgraftError.is(error, 'WGRAFT_ERR_WASM_MALFORMED')) throw error;
      reason = error.message;
      return undefined;
    }
  };
  info = ask(() => DebugInfo.read(module));
  return {
    get state() {
      return reason !== undefined ? 'unreadable' : info === undefined ? 'none' : 'there';
    },
    get reason() {
      return reason;
    },
    sourceOf: (index) => ask(() => info?.sourceOf(index)),
    describes: (index) => ask(() => info?.describes(index)) ?? false,
    structLayouts: () => ask(() => info?.structLayouts()) ?? [],
  };
}
