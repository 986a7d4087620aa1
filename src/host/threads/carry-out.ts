// How a thread carries out the group's orders with its own patcher, step by step with the other threads.
//
//   stage on the board     its own transition
//   1 measured             preparing: the patch may be staged when all are here
//   2 staged               waits to commit, or commits
//   3 switched             waits to finish, or finishes
//   4 over                 complete, cancelled, or none: it has no instance of the program
//
// A thread that fails stays where it is, so that no other goes on, and says so; the group then reverses the order.

import { WgraftError } from '../../errors.ts';
import type {
  Agreement,
  Conflict,
  Coordination,
  Instance,
  Patcher,
  PatcherEvent,
  Transition,
} from '../../runtime/index.ts';
import { asJson } from '../as-json.ts';
import type { Board, Stage } from './board.ts';
import type { FromThread, Order } from './protocol.ts';
import { StandStill } from './stand-still.ts';

export class CarryOut {
  readonly #patcher: Patcher;
  readonly #board: Board;
  readonly #row: number;
  readonly #report: (report: FromThread) => void;
  readonly #standStill: StandStill;
  readonly #coordination: Coordination;
  #order: Order | undefined;
  #transition: Transition | undefined;
  /** Its program is new here, and the others do not go on without this thread. */
  #isAwaited = false;

  constructor(patcher: Patcher, board: Board, row: number, report: (report: FromThread) => void) {
    this.#patcher = patcher;
    this.#board = board;
    this.#row = row;
    this.#report = report;
    this.#standStill = new StandStill(board);
    const universe = (): number | undefined => this.#order?.universe;
    this.#coordination = {
      get universe() {
        return universe();
      },
      mayEnter: (state) => state === 'complete' || this.#reach(state === 'committing' ? 2 : 3),
      stage: (instance) => this.#stage(instance),
      agree: (conflicts) => this.#agree(conflicts),
    };
  }

  get isRunning(): boolean {
    return this.#transition?.over === false;
  }

  /** The thread is one of the group from now on; `order` is under way. */
  join(order: Order | undefined): void {
    this.#board.enter(this.#row);
    if (order !== undefined) this.take(order);
  }

  take(order: Order): void {
    this.#order = order;
    if (this.#patcher.program(order.buildId) === undefined) return this.#come(4);
    this.#start(order);
  }

  /**
   * A program that is new here is to have an instance: from now on nobody gets through with the order that runs before this thread.
   * @returns false where all are through with it already; the group tells what they have now, in the same breath
   */
  enterInto(buildId: string): boolean {
    const order = this.#order;
    if (order?.buildId !== buildId || this.isRunning) return true;
    this.#board.report(this.#row, order.number, 0); // before the question
    this.#isAwaited = !this.#board.isOver(order.number);
    return this.#isAwaited;
  }

  /**
   * An instance is about to be born: where its program is in transition, this thread is concerned from now on, and others do not
   * go on before the instance is as far as they are.
   * @returns to be called when it is born
   */
  makeRoom(buildId: string): () => void {
    const order = this.#order;
    const none = (): void => {};
    if (order?.buildId !== buildId) return none;
    const isAside = this.#isAwaited || this.#board.stageOf(this.#row, order.number) === 4;
    this.#isAwaited = false;
    if (!this.isRunning && isAside) this.#start(order);
    const transition = this.#transition;
    if (transition === undefined || !this.isRunning) return none;
    if (transition.state === 'preparing') {
      this.#come(1);
      if (!this.#board.hasReached(order.number, 2)) return none; // it is staged with the others
      this.#patcher.pump();
    }
    if (order.direction === 'revert') return none;
    const claim = this.#place(transition, order);
    const { places } = transition.program;
    return () => {
      if (claim === 'mine') this.#board.place(places.of(order.patch.id).memoryBase ?? 0);
    };
  }

  settled(): void {
    this.#order = undefined;
    this.#transition = undefined;
  }

  force(): void {
    if (this.isRunning) this.#patcher.beginForce();
  }

  /** What the patcher says of its transitions. */
  heard({ step }: Extract<PatcherEvent, { type: 'transition' }>): void {
    if (step !== 'complete' && step !== 'cancelled') return;
    const failure = this.#transition?.failure;
    if (failure !== undefined && this.#order?.direction === 'apply') this.fail(failure);
    else this.#come(4);
  }

  fail(cause: unknown): void {
    const order = this.#order?.number;
    if (order !== undefined) this.#report({ type: 'failed', order, error: asJson(cause) });
  }

  #start(order: Order): void {
    try {
      this.#transition = this.#transitionFor(order);
      if (this.#transition === undefined || this.#transition.over) return this.#come(4);
      if (order.direction === 'apply') this.#measure(this.#transition);
      this.#come(this.#stageNow());
    } catch (cause) {
      this.#board.report(this.#row, order.number, 0);
      this.fail(cause);
    }
  }

  /** Begins, or reverses what runs; undefined where there is nothing to do. */
  #transitionFor({ direction, patch, model, places, buildId }: Order): Transition | undefined {
    const options = { model, deadlineMs: 0 };
    try {
      if (direction === 'revert') return this.#patcher.beginRevert(patch.id, options, this.#coordination);
      this.#patcher.program(buildId)?.places.merge(places);
      return this.#patcher.beginApply(patch.bytes, options, this.#coordination);
    } catch (cause) {
      const none = ['WGRAFT_ERR_PATCH_UNKNOWN', 'WGRAFT_ERR_PATCH_APPLIED'] as const;
      if (none.some((code) => WgraftError.is(cause, code))) return undefined;
      throw cause;
    }
  }

  #measure({ program }: Transition): void {
    for (const instance of program.instances)
      if (instance.sharesMemory && instance.hasTable) this.#board.measure(instance.table.length);
  }

  #stageNow(): Stage {
    switch (this.#transition?.state) {
      case 'preparing':
        return 1;
      case 'committing':
        return 2;
      case 'finishing':
        return 3;
      default:
        return 4;
    }
  }

  #come(stage: Stage): void {
    if (this.#order === undefined) return;
    this.#board.report(this.#row, this.#order.number, stage);
    this.#report({ type: 'reached' });
  }

  #reach(stage: Stage): boolean {
    const number = this.#order?.number ?? 0;
    if (this.#board.stageOf(this.#row, number) < stage) this.#come(stage);
    return this.#board.hasReached(number, stage);
  }

  #stage(instance: Instance): boolean {
    const order = this.#order;
    const transition = this.#transition;
    if (!this.#reach(1) || order === undefined || transition === undefined) return false;
    if (!instance.sharesMemory) return true;
    const { record, program } = transition;
    const claim = this.#place(transition, order);
    if (claim === 'others') return false;
    instance.stage(record.patch);
    if (claim === 'mine') this.#board.place(program.places.of(record.patch.id).memoryBase ?? 0);
    this.#report({ type: 'placed', buildId: order.buildId, places: program.places.toJSON() });
    return true;
  }

  /** Puts the patch where it is in the other threads. @returns whether this thread is to find a place for its data, and write it */
  #place({ record: { patch }, program }: Transition, order: Order): 'mine' | 'others' | 'known' {
    const place = program.places.of(patch.id);
    place.tableBase = order.places.patches[patch.id]?.tableBase ?? this.#board.tableTop;
    if ((patch.manifest.memory?.sizeBytes ?? 0) === 0) return 'known';
    const claim = this.#board.claim(this.#row);
    if (claim === 'mine' || claim === 'others') return claim;
    Object.assign(place, { ...claim, hasData: true });
    return 'known';
  }

  /** A round of another order is not for this thread, whose own is then over: it has yet to take that one. */
  #agree(conflicts: readonly Conflict[]): Agreement {
    const round = this.#standStill.openRound;
    const number = this.#order?.number;
    if (round === undefined || number === undefined || number !== this.#board.order) return 'wait';
    if (conflicts.length > 0) {
      this.#report({ type: 'conflicts', round, conflicts }); // before the word that ends the round
      this.#standStill.refuse(round);
      return 'wait';
    }
    const concerned = (row: number): boolean => this.#board.stageOf(row, number) < 3;
    return this.#standStill.join(this.#row, round, concerned) ? 'switch' : 'wait';
  }
}
