// What the error table says of one code, and the exit codes.

/** Exit codes of the command line, in the order in which `wgraft --help` prints them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  nothingToDo: 3,
  notPatchable: 4,
  stalled: 5,
  unreachable: 6,
  internal: 70,
  interrupted: 130,
} as const;

export interface Entry<Details> {
  readonly message: (details: Details) => string;
  readonly hint?: string | ((details: Details) => string | undefined);
  readonly exit: keyof typeof exitCodes;
}

/** An entry for each code that `Details` has. */
export type Entries<Details> = { readonly [Code in keyof Details]: Entry<Details[Code]> };
