// What the worker does at a migration point: takes the requests that wait at the port, lets the patcher work, answers.
// All of it is synchronous, since no promise settles while the program is on the stack.
// A program that goes to sleep is always looked at; one that calls all the time now and then.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import {
  describeTransition,
  type Patcher,
  type Transition,
  type TransitionOptions,
} from '../../runtime/index.ts';
import { asJson } from '../as-json.ts';
import type { Bell } from '../bell.ts';
import { LookBudget } from '../look-budget.ts';
import type { Mirror, Report, Request } from './protocol.ts';

/** A request that began a transition; answered when that is over, or at once where nobody waits. */
interface Waiter {
  readonly id: number;
  readonly transition: Transition;
  readonly direction: Transition['direction'];
  readonly wait: boolean;
}

export class Visits {
  readonly #patcher: Patcher;
  readonly #port: MessagePort;
  readonly #bell: Bell;
  readonly #running = new Set<Transition>();
  #waiters: Waiter[] = [];
  #visiting = false;
  readonly #budget = new LookBudget();
  #changed = false;
  #blocking = '';

  constructor(patcher: Patcher, port: MessagePort, bell: Bell) {
    this.#patcher = patcher;
    this.#port = port;
    this.#bell = bell;
    patcher.subscribe((event) => {
      this.#changed = true;
      this.#report({ type: 'event', event });
    });
  }

  get mirror(): Mirror {
    return { status: this.#patcher.statusNow(), blocking: this.#patcher.blockingNow() };
  }

  /**
   * The program is at a host call; `asleep`: it would do nothing else now. Never throws. Staging may call the program's
   * allocator, whose own host calls lead here again: those pass.
   */
  visit(asleep: boolean): void {
    if (this.#visiting) return;
    this.#visiting = true;
    try {
      this.#bell.answer(); // before looking at the port: what is sent from now on calls again
      const asked = this.#takeRequests();
      if (this.#running.size > 0 && (this.#budget.isLookDue || asked || asleep)) this.#look();
      this.#answerWaiters();
      if (this.#running.size > 0) this.#bell.keep();
    } catch (cause) {
      this.#giveUp(cause);
    } finally {
      this.#visiting = false;
    }
  }

  #takeRequests(): boolean {
    let asked = false;
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: Request } | undefined;
      if (received === undefined) return asked;
      asked = true;
      this.#take(received.message);
    }
  }

  #take(request: Request): void {
    const { id } = request;
    try {
      switch (request.call) {
        case 'ping':
          return this.#report({ type: 'reply', id, result: undefined });
        case 'apply':
          return this.#begin(request, this.#patcher.beginApply(request.patch, request.options), 'apply');
        case 'revert':
          return this.#begin(request, this.#patcher.beginRevert(request.patch, request.options), 'revert');
        case 'force': {
          const forced = this.#patcher.beginForce();
          return this.#begin(request, forced, forced.direction);
        }
      }
    } catch (cause) {
      this.#report({ type: 'refusal', id, error: asJson(cause) });
    }
  }

  #begin(
    { id, options: { wait = true } }: { id: number; options: TransitionOptions },
    transition: Transition,
    direction: Waiter['direction'],
  ): void {
    this.#running.add(transition);
    this.#waiters.push({ id, transition, direction, wait });
  }

  #look(): void {
    this.#budget.spend(() => {
      this.#patcher.pump();
      for (const transition of this.#running) if (transition.over) this.#running.delete(transition);
      this.#tellMirror();
    });
  }

  #tellMirror(): void {
    const blocking = this.#patcher.blockingNow().map(({ blockedMs: _, ...rest }) => rest);
    const key = JSON.stringify(blocking);
    if (!this.#changed && key === this.#blocking) return;
    this.#changed = false;
    this.#blocking = key;
    this.#report({ type: 'mirror', mirror: this.mirror });
  }

  #answerWaiters(): void {
    const due = this.#waiters.filter((w) => w.transition.over || !w.wait);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((w) => !due.includes(w));
    for (const { id, transition, direction } of due) {
      const { failure } = transition;
      if (failure !== undefined) this.#report({ type: 'refusal', id, error: asJson(failure) });
      else this.#report({ type: 'reply', id, result: describeTransition(transition, direction) });
    }
  }

  /** A mistake of ours. Whoever waits is told; the program must not be. */
  #giveUp(cause: unknown): void {
    for (const { id } of this.#waiters) this.#report({ type: 'refusal', id, error: asJson(cause) });
    this.#waiters = [];
  }

  #report(report: Report): void {
    this.#port.postMessage(report);
  }
}
