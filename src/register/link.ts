// One thread of the program, as it reports to the control thread: answers requests from its event loop, and keeps a mirror
// of its patcher there, which is right also while this thread computes. Neither keeps the thread alive.

import type { MessagePort } from 'node:worker_threads';
import { type ErrorJson, WgraftError } from '../errors.ts';
import type { Patcher } from '../runtime/index.ts';
import type { Report, Request, Sharing } from './protocol.ts';

/** The share of the thread's time that mirrors may take: with thousands of instances one takes a while. */
const mirrorShare = 0.05;

export class Link {
  readonly #patcher: Patcher;
  readonly #port: MessagePort;
  /** When the next mirror may be made at once. */
  #nextAt = 0;
  #due: NodeJS.Immediate | undefined;

  constructor(patcher: Patcher, port: MessagePort) {
    this.#patcher = patcher;
    this.#port = port;
    port.on('message', (request: Request) => this.#answer(request));
    port.unref();
    patcher.subscribe((event) => {
      this.#report({ type: 'event', event });
      this.#tell();
    });
    this.#mirror();
  }

  share(sharing: Sharing): void {
    this.#report({ type: 'sharing', sharing });
  }

  /** @param channel of what was said to be shared */
  shareNoMore(channel: string): void {
    this.#report({ type: 'no-sharing', channel });
  }

  /** At once where that is cheap, because the thread may compute from now on; else in the next turn of its event loop. */
  #tell(): void {
    if (performance.now() >= this.#nextAt) this.#mirror();
    else this.#due ??= setImmediate(() => this.#mirror());
  }

  #mirror(): void {
    clearImmediate(this.#due);
    this.#due = undefined;
    const began = performance.now();
    const mirror = { status: this.#patcher.statusNow(), blocking: this.#patcher.blockingNow() };
    this.#report({ type: 'mirror', mirror });
    const now = performance.now();
    this.#nextAt = now + (now - began) / mirrorShare;
  }

  async #answer(request: Request): Promise<void> {
    const { id } = request;
    try {
      const result = await this.#carryOut(request);
      this.#mirror(); // before the answer: whoever has that may ask for the status
      this.#report({ type: 'reply', id, result });
    } catch (cause) {
      this.#mirror();
      this.#report({ type: 'refusal', id, error: asJson(cause) });
    }
  }

  async #carryOut(request: Request): Promise<unknown> {
    switch (request.call) {
      case 'ping':
        return undefined;
      case 'verify':
        return this.#patcher.verify(request.patch);
      case 'apply':
        return this.#patcher.apply(request.patch, request.options);
      case 'force':
        return this.#patcher.force(request.options);
      case 'revert':
        return this.#patcher.revert(request.patch, request.options);
    }
  }

  #report(report: Report): void {
    this.#port.postMessage(report);
  }
}

function asJson(cause: unknown): ErrorJson {
  if (WgraftError.is(cause)) return cause.toJSON();
  const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new WgraftError('WGRAFT_ERR_INTERNAL', { what }).toJSON();
}
