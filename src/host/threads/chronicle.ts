// The events of a group in an order that makes sense. Threads tell of what they did by messages, while the conductor sees on the
// board how far they are: without care, an instance would switch before its transition starts.

import { Events, type PatcherEvent } from '../../runtime/index.ts';

type Step = Extract<PatcherEvent, { type: 'transition' }>['step'];

/** What happens in the first, second and third part of a transition. */
type Part = 1 | 2 | 3;

/** The part that a step begins; all others let everything through. */
const begins: Readonly<Partial<Record<Step, Part>>> = { initializing: 1, starting: 2, completing: 3 };

export class Chronicle {
  readonly #events = new Events();
  readonly #gather: () => void;
  #heard: PatcherEvent[] = [];
  #part: Part = 3;

  /** @param gather hears all that threads have said. */
  constructor(gather: () => void) {
    this.#gather = gather;
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  /** A thread tells of something. */
  hear(event: PatcherEvent): void {
    this.#heard.push(event);
  }

  /** The conductor's transition goes on, which it has published itself. */
  step(event: Extract<PatcherEvent, { type: 'transition' }>): void {
    this.#gather();
    const next = begins[event.step] ?? 4;
    if (next > 1) this.#tell(next - 1);
    this.#part = next === 4 ? 3 : next;
    this.#events.tell(event);
  }

  /** Tells what can be told now. */
  flush(): void {
    this.#tell(this.#part);
  }

  #tell(last: number): void {
    const due = this.#heard.filter((event) => partOf(event) <= last);
    this.#heard = this.#heard.filter((event) => partOf(event) > last);
    for (const event of due) this.#events.emit(event);
  }
}

function partOf(event: PatcherEvent): Part {
  if (event.type === 'migrated') return 2;
  if (event.type !== 'callback') return 1;
  return event.callback === 'postPatch' || event.callback === 'postUnpatch' ? 3 : 1;
}
