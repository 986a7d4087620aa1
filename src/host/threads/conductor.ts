// The group's transitions. The conductor is a patcher that knows the programs and has no instances: what a group refuses, its patch
// stack, deadlines, attempts and reversals are the runtime's own. Its transition goes on when the board says that all threads have
// come so far, and when it turns round, an order to the threads says so.

import type {
  Agreement,
  Conflict,
  Coordination,
  Heritage,
  Overview,
  Patcher,
  Program,
  Transition,
} from '../../runtime/index.ts';
import type { Board } from './board.ts';
import type { GroupState, Order, ToThread } from './protocol.ts';
import { StandStill } from './stand-still.ts';

const stages = { committing: 2, finishing: 3, complete: 4 } as const;

/** What the conductor needs of the group. */
export interface Orchestra {
  /** Hears what was said, asks all to look. */
  gather(): void;
  tell(message: ToThread): void;
  overview(transition: Transition): Overview;
  /** Instances that did not come to a round. */
  absent(order: Order, round: number): readonly Conflict[];
}

export class Conductor {
  readonly coordination: Coordination;
  transition: Transition | undefined;
  order: Order | undefined;
  readonly #board: Board;
  readonly #orchestra: Orchestra;
  readonly #standStill: StandStill;
  /** Files of patches, by id. */
  readonly #files = new Map<string, Uint8Array>();
  readonly #programs = new Map<string, Program>();
  #lastOrder = 0;
  /** The transition and the round that the last order and the last try belong to. */
  #ordered: Transition | undefined;
  #round: number | undefined;
  #conflicts: Conflict[] = [];

  constructor(patcher: Patcher, board: Board, orchestra: Orchestra) {
    this.#board = board;
    this.#orchestra = orchestra;
    this.#standStill = new StandStill(board);
    this.coordination = {
      universe: undefined,
      mayEnter: (state) => {
        orchestra.gather();
        this.follow();
        return board.hasReached(this.order?.number ?? 0, stages[state]);
      },
      stage: () => true,
      agree: () => this.#agree(),
      overview: () => this.#overview(),
    };
    patcher.subscribe((event) => {
      if (event.type === 'transition' && (event.step === 'complete' || event.step === 'cancelled'))
        this.#settle();
    });
  }

  get isRunning(): boolean {
    return this.transition?.over === false;
  }

  /** A transition was begun or turned round by the conductor's patcher. */
  conduct(transition: Transition, file?: Uint8Array): void {
    this.transition = transition;
    if (file !== undefined) this.#files.set(transition.record.patch.id, file);
    this.#programs.set(transition.program.buildId, transition.program);
    this.follow();
  }

  /** Gives an order where the transition goes another way than the last one said. */
  follow(): void {
    const { transition } = this;
    if (transition === undefined || transition.over) return;
    const direction = transition.takesOff ? 'revert' : 'apply';
    const fresh = transition !== this.#ordered;
    if (!fresh && direction === this.order?.direction) return;
    const { program, record, model } = transition;
    const universe = fresh ? transition.universe.to : (this.order?.universe ?? 0) + 1;
    transition.universe = { from: transition.universe.from, to: universe };
    program.universe = universe;
    this.#lastOrder += 1;
    this.order = {
      number: this.#lastOrder,
      direction,
      buildId: program.buildId,
      patch: { id: record.patch.id, bytes: this.#files.get(record.patch.id) ?? new Uint8Array() },
      model,
      universe,
      places: unwritten(program),
    };
    this.#ordered = transition;
    this.#round = undefined;
    this.#standStill.close();
    this.#board.give(this.order.number, fresh);
    this.#orchestra.tell({ type: 'order', order: this.order });
  }

  /** A thread could not carry out an order. */
  fail(order: number, cause: unknown): void {
    if (order === this.order?.number) this.transition?.giveUp(cause);
  }

  note(round: number, conflicts: readonly Conflict[]): void {
    if (round === this.#round) this.#conflicts.push(...conflicts);
  }

  /** What threads to come are to have. */
  get state(): GroupState {
    const settled = [...this.#programs.values()].map((p) => [p.buildId, this.#heritage(p)] as const);
    return { programs: Object.fromEntries(settled), order: this.order };
  }

  #settle(): void {
    const { transition } = this;
    this.order = undefined;
    this.#ordered = undefined;
    if (transition === undefined) return;
    const { program, record } = transition;
    this.#orchestra.gather();
    if (transition.state === 'cancelled') delete program.places.of(record.patch.id).tableBase;
    const on = new Set(program.stack.map((r) => r.patch.id));
    for (const id of this.#files.keys()) if (!this.#isOn(id)) this.#files.delete(id);
    for (const id of on) {
      const place = program.places.of(id);
      place.hasData = place.memoryBase !== undefined; // else no thread has an instance
    }
    this.#orchestra.tell({ type: 'settled', buildId: program.buildId, heritage: this.#heritage(program) });
  }

  #isOn(id: string): boolean {
    return [...this.#programs.values()].some((p) => p.stack.some((r) => r.patch.id === id));
  }

  /** Patches that are on, but for the one that the running order puts on. */
  #heritage(program: Program): Heritage {
    const { name, universe, forced, stack, places } = program;
    const settled = stack.filter((r) => r.state !== 'applying' || r.patch.id !== this.order?.patch.id);
    const patches = settled.flatMap((r) => this.#files.get(r.patch.id) ?? []);
    return { name, universe, forced, patches, places: places.toJSON() };
  }

  #overview(): Overview {
    const { transition } = this;
    if (transition === undefined) return { done: 0, total: 0, functions: [] };
    return this.#orchestra.overview(transition);
  }

  #agree(): Agreement {
    this.#orchestra.gather();
    this.follow();
    const { order } = this;
    if (order === undefined) return 'wait';
    if (this.#board.hasReached(order.number, stages.finishing)) return 'switch';
    if (this.#round === undefined) {
      this.#conflicts = [];
      this.#standStill.open();
      this.#round = this.#standStill.number;
      this.#orchestra.tell({ type: 'look' });
      return 'wait';
    }
    this.#standStill.expire();
    if (this.#standStill.state === 'switch') return 'switch';
    if (this.#standStill.state !== 'retry') return 'wait';
    this.#orchestra.gather();
    // A round that somebody was in the way of ends at once: others may not have come, and would have.
    const conflicts =
      this.#conflicts.length > 0 ? this.#conflicts : this.#orchestra.absent(order, this.#round);
    this.#standStill.close();
    this.#round = undefined;
    return conflicts;
  }
}

/** The places as they are for a patch that is to be put on: found, but its data is to be written. */
function unwritten({ places }: Program): Order['places'] {
  const { patches, functions } = places.toJSON();
  const found = Object.entries(patches).map(([id, place]) => [id, { ...place, hasData: false }] as const);
  return { patches: Object.fromEntries(found), functions };
}
