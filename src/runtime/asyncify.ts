// Stacks that Asyncify has unwound: they lie in the program's memory, and must be rewound by the very code that unwound them.
// The program's own state only says whether it unwinds or rewinds now, so the host's calls are watched: start_unwind
// writes down what is on the stack, stop_rewind forgets it. The two exports become functions of ours; they go nowhere but
// into the host's glue.

import { canSeeFrames, type Frame, wasmFrames } from './activeness.ts';

const names = ['asyncify_start_unwind', 'asyncify_start_rewind', 'asyncify_stop_rewind'] as const;

type Watched = (typeof names)[number];
type Call = (...args: unknown[]) => unknown;

export class UnwoundStacks {
  /** By the address of the data that the stack lies in; undefined: of an engine that shows no stacks. */
  readonly #stacks = new Map<unknown, readonly Frame[] | undefined>();
  #rewinding: { readonly data: unknown } | undefined;

  /** The exports that take the place of the program's own; none where it has no Asyncify. */
  watch(exports: WebAssembly.Exports): Readonly<Partial<Record<string, Call>>> {
    const found = names.flatMap((name): [Watched, Call][] => {
      const f = exports[name];
      return typeof f === 'function' ? [[name, f as Call]] : [];
    });
    if (found.length < names.length) return {};
    const before: Record<Watched, (data: unknown) => void> = {
      asyncify_start_unwind: (data) => void this.#stacks.set(data, canSeeFrames() ? wasmFrames() : undefined),
      asyncify_start_rewind: (data) => {
        this.#rewinding = { data };
      },
      asyncify_stop_rewind: () => this.#rewound(),
    };
    const wrapped = found.map(([name, f]): [string, Call] => [
      name,
      (...args) => {
        before[name](args[0]);
        return f(...args);
      },
    ]);
    return Object.fromEntries(wrapped);
  }

  /**
   * The stacks that are put aside, innermost frame first; undefined where one of them is unknown.
   * @param fresh no frame of the program is on the stack: a rewinding that was begun has ended, if with a trap.
   */
  stacks(fresh: boolean): readonly (readonly Frame[])[] | undefined {
    if (fresh && this.#rewinding !== undefined) this.#rewound();
    const known = [...this.#stacks.values()].flatMap((s) => (s === undefined ? [] : [s]));
    return known.length === this.#stacks.size ? known : undefined;
  }

  #rewound(): void {
    if (this.#rewinding !== undefined) this.#stacks.delete(this.#rewinding.data);
    this.#rewinding = undefined;
  }
}
