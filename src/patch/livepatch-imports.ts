// Functions that a patch imports from the runtime, and their types: shadow variables and system states. Addresses are i32;
// constructors and destructors are places in the program's table 0, where 0 means none.

/** livepatch's operations on shadow variables, data attached to an object's address under an id. */
export const shadowTypes = {
  /** (object, id) -> address of the data, 0 for none. */
  get: '(i32, i32) -> i32',
  /** (object, id, size, constructor, constructor's data) -> address, 0 where nothing was stored. */
  alloc: '(i32, i32, i32, i32, i32) -> i32',
  getOrAlloc: '(i32, i32, i32, i32, i32) -> i32',
  /** (object, id, destructor) */
  free: '(i32, i32, i32) -> ()',
  /** (id, destructor) */
  freeAll: '(i32, i32) -> ()',
} as const;

export type ShadowOperation = keyof typeof shadowTypes;

export const stateTypes = {
  get: '(i32) -> i32',
  previous: '(i32) -> i32',
} as const;

export type StateOperation = keyof typeof stateTypes;

/** The type of each callback. */
export const callbackTypes = {
  prePatch: '() -> i32',
  postPatch: '() -> ()',
  preUnpatch: '() -> ()',
  postUnpatch: '() -> ()',
} as const;

/** Does this operation need memory of the program's? */
export function allocates(operation: ShadowOperation): boolean {
  return operation === 'alloc' || operation === 'getOrAlloc';
}
