// What binaryen is told to read and write: what engines read. `Features.All` has more: with compact imports it writes a section
// that none of them knows. Its type declarations are not what the package has at run time, where Features are numbers by name.

const names = [
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
];

/** The mask for binaryen's `setFeatures` and `readBinary`. @param features binaryen's own `Features` */
export function binaryenFeatures(features: object): number {
  const known = features as Readonly<Record<string, number>>;
  return names.reduce((mask, name) => mask | (known[name] ?? 0), 0);
}
