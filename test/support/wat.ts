// WAT to WebAssembly with names, for fixtures and tests; every proposal that V8 has.

import binaryen from 'binaryen';
import { binaryenFeatures, readSections, Writer } from '../../src/wasm/index.ts';

/** Parses WAT text. Function names go to the name section. `passes` are binaryen's, e.g. asyncify. */
export function wat(text: string, passes: string[] = []): Uint8Array<ArrayBuffer> {
  binaryen.setDebugInfo(true);
  const module = binaryen.parseText(text);
  try {
    module.setFeatures(binaryenFeatures(binaryen.Features));
    if (passes.length > 0) module.runPasses(passes);
    return module.emitBinary() as Uint8Array<ArrayBuffer>;
  } finally {
    module.dispose();
  }
}

/** The module as it is published: stripped. */
export function withoutNames(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Writer(bytes.length).raw(bytes.subarray(0, 8));
  for (const { name, start, end } of readSections(bytes))
    if (name !== 'name') out.raw(bytes.subarray(start, end));
  return out.toBytes();
}

/** The module with more custom sections at its end. */
export function withCustom(
  bytes: Uint8Array,
  sections: Readonly<Record<string, Uint8Array>>,
): Uint8Array<ArrayBuffer> {
  const out = new Writer(bytes.length + 256).raw(bytes);
  for (const [name, payload] of Object.entries(sections)) out.custom(name, payload);
  return out.toBytes();
}
