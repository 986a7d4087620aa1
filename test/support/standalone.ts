// An instance of a program as the runtime holds it, without a patcher and its transitions: patches are staged and switched on
// by hand, in one turn.

import { loadPatch } from '../../src/runtime/loaded-patch.ts';
import { Program, programId } from '../../src/runtime/program.ts';
import type { ShadowVariables } from '../../src/runtime/shadow.ts';
import { type StagedPatch, stagePatch } from '../../src/runtime/stage.ts';

// biome-ignore lint/suspicious/noExplicitAny: exports of a fixture, whose types the source beside the test says
type Exports = Record<string, any>;

export interface Standalone {
  readonly exports: Exports;
  readonly program: Program;
  readonly shadow: ShadowVariables;
  /** Makes a patch ready. */
  stage(bytes: Uint8Array): StagedPatch;
  /** Makes a patch ready and lets its functions take the place of the program's. */
  apply(bytes: Uint8Array): StagedPatch;
  /** Lets the program's own functions be called again. */
  revert(staged: StagedPatch): void;
}

export async function standalone(
  prepared: Uint8Array,
  imports: WebAssembly.Imports = {},
): Promise<Standalone> {
  const module = await WebAssembly.compile(new Uint8Array(prepared));
  const wasm = await WebAssembly.instantiate(module, imports);
  const program = new Program('app', programId(module), module);
  const instance = program.add(wasm, imports, 1);
  const stage = (bytes: Uint8Array): StagedPatch => stagePatch(instance, loadPatch(bytes), {});
  return {
    exports: wasm.exports,
    program,
    shadow: instance.shadow,
    stage,
    apply(bytes) {
      const staged = stage(bytes);
      for (const [slot, entry] of staged.entryOfSlot) instance.slots.write(slot, entry);
      return staged;
    },
    revert(staged) {
      for (const slot of staged.entryOfSlot.keys()) instance.slots.write(slot, 0);
    },
  };
}
