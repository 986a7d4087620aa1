// @webassemblyjs/wasm-parser ships no types. Declared is what the second reader uses, and what 1.14.1 really returns.

declare module '@webassemblyjs/wasm-parser' {
  interface SectionMetadata {
    readonly section: string;
    /** Offset of the size, one byte after the section's id. */
    readonly startOffset: number;
    /** The size; `loc.end.column` is the offset of the first byte after it. */
    readonly size: { readonly value: number; readonly loc: { readonly end: { readonly column: number } } };
  }

  interface Options {
    readonly ignoreCodeSection: boolean;
    readonly ignoreDataSection: boolean;
    readonly ignoreCustomNameSection: boolean;
    readonly dump: boolean;
  }

  export function decode(
    bytes: Uint8Array,
    options: Options,
  ): { readonly body: readonly { readonly metadata?: { readonly sections: readonly SectionMetadata[] } }[] };
}
