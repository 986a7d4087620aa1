// WAT to WebAssembly with names, for fixtures and tests; every proposal that V8 has.

import binaryen from 'binaryen';
import { Writer } from '../../src/wasm/index.ts';

const features = [
  'Atomics',
  'MutableGlobals',
  'NontrappingFPToInt',
  'SIMD128',
  'BulkMemory',
  'BulkMemoryOpt',
  'SignExt',
  'ExceptionHandling',
  'TailCall',
  'ReferenceTypes',
  'CallIndirectOverlong',
  'Multivalue',
  'GC',
  'Memory64',
  'RelaxedSIMD',
  'ExtendedConst',
  'MultiMemory',
] as const;

// The .d.ts is not what the package has at run time (libs.md): its Features are numbers under these names.
const mask = features.reduce(
  (all, name) => all | ((binaryen.Features as unknown as Record<string, number>)[name] ?? 0),
  0,
);

/** Parses WAT text. Function names go to the name section. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  binaryen.setDebugInfo(true);
  const module = binaryen.parseText(text);

  try {
    module.setFeatures(mask);
    return module.emitBinary() as Uint8Array<ArrayBuffer>;
  } finally {
    module.dispose();
  }
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
