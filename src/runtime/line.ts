// The instances that a transition takes through one of its states: those in line, and those that are through. It holds none of
// them: an instance that is collected is out of it.

import type { Instance } from './instance.ts';

export class Line {
  #inLine: Set<WeakRef<Instance>>;
  #through = new Set<WeakRef<Instance>>();

  constructor(instances: readonly Instance[]) {
    this.#inLine = new Set(instances.map((i) => i.ref));
  }

  get inLine(): Instance[] {
    return live(this.#inLine);
  }

  get all(): Instance[] {
    return live([...this.#inLine, ...this.#through]);
  }

  /** Those in line that could not go through at the last look. */
  get waiting(): Instance[] {
    return this.inLine.filter((i) => i.waiting !== undefined);
  }

  get isEmpty(): boolean {
    return this.#inLine.size === 0;
  }

  /**
   * Looks at each once, until `deadline` (performance.now()) has passed. Those that must wait go to the end, so that a short budget
   * reaches everyone in the end. Stops when `work` says so by emptying or turning the line.
   * @param work is done with the instance?
   * @returns true where some were not looked at.
   */
  pass(deadline: number, work: (instance: Instance) => boolean): boolean {
    const line = this.#inLine;
    let left = line.size;
    // One iterator: a set goes over all places that were deleted in front of its first one.
    for (const ref of line) {
      line.delete(ref);
      const instance = ref.deref();
      if (instance !== undefined) (work(instance) ? this.#through : this.#inLine).add(ref);
      left -= 1;
      if (this.#inLine !== line) return true;
      if (left === 0 || performance.now() >= deadline) return left > 0;
    }
    return false;
  }

  /** Looks at one of those in line, out of turn. */
  passOne(instance: Instance, work: (instance: Instance) => boolean): void {
    const line = this.#inLine;
    if (!line.has(instance.ref) || !work(instance) || line !== this.#inLine) return;
    line.delete(instance.ref);
    this.#through.add(instance.ref);
  }

  /** All are through. */
  clear(): void {
    for (const ref of this.#inLine) this.#through.add(ref);
    this.#inLine = new Set();
  }

  /** All stand in line again, for what comes next. */
  restart(): void {
    for (const instance of this.inLine) instance.waiting = undefined;
    this.#inLine = new Set([...this.#inLine, ...this.#through]);
    this.#through = new Set();
  }

  /** Those that are through stand in line, to go back. */
  turn(): void {
    for (const instance of this.inLine) instance.waiting = undefined;
    [this.#inLine, this.#through] = [this.#through, this.#inLine];
  }

  add(instance: Instance, to: 'in-line' | 'through'): void {
    (to === 'in-line' ? this.#inLine : this.#through).add(instance.ref);
  }

  remove(instance: Instance): void {
    this.#inLine.delete(instance.ref);
    this.#through.delete(instance.ref);
  }
}

function live(refs: Iterable<WeakRef<Instance>>): Instance[] {
  return [...refs].flatMap((ref) => ref.deref() ?? []);
}
