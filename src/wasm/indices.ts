// The index spaces of a module. Each is a number of its own flavour, because mixing two of them is the classic mistake
// of wasm tools: a plain number fits all of them, one flavour does not fit another.

type Flavour<Name extends string> = number & { readonly _space?: Name };

/** Position in the function index space, imports counted. */
export type FuncIndex = Flavour<'func'>;
/** Position in the type index space, members of recursion groups counted one by one. */
export type TypeIndex = Flavour<'type'>;
export type TableIndex = Flavour<'table'>;
export type MemoryIndex = Flavour<'memory'>;
export type GlobalIndex = Flavour<'global'>;
export type TagIndex = Flavour<'tag'>;
export type SegmentIndex = Flavour<'segment'>;
/** Position of a slot among the slots of a prepared module. */
export type SlotIndex = Flavour<'slot'>;
