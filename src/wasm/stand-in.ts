// Functions that stand in place of the engine's own and look like them: same name, length, prototype and properties, no source
// text, and `instanceof` works. A Proxy would do, but Node 26 prints those as `Proxy(...)`; a bound function prints as itself.

type Call = (...args: unknown[]) => unknown;

/** What stack traces call this file. */
export const standInFile: string = import.meta.url;

/** A function in place of `original`; `call` gets its arguments. */
export function standIn<F extends object>(original: F, call: (...args: unknown[]) => unknown): F {
  return dressed(original, (...args: unknown[]) => call(...args));
}

/** A constructor in place of `original`; `newTarget` is undefined where it is called without `new`. */
export function constructorStandIn<F extends object>(
  original: F,
  construct: (args: unknown[], newTarget: Call | undefined) => object,
): F {
  const target = original as unknown as Call;
  function make(...args: unknown[]): object {
    return construct(args, new.target === make ? target : (new.target as Call | undefined));
  }
  make.prototype = target.prototype; // what `instanceof` looks at
  return dressed(original, make);
}

function dressed<F extends object>(original: F, call: Call): F {
  const bound = call.bind(undefined);
  Object.setPrototypeOf(bound, Object.getPrototypeOf(original) as object);
  Object.defineProperties(bound, Object.getOwnPropertyDescriptors(original));
  return bound as unknown as F;
}
