// One end of the line between a group and a thread: a MessagePort, or a BroadcastChannel whose name only the two know (the register
// hook has those, since a port reaches another thread through the main thread's event loop only). What comes is read on the spot
// or given to a listener; while there is none it waits.

import { type BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

/** What the two have in common; Node's types say less of them than there is. */
interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  unref(): void;
  close(): void;
}

export class Wire<Incoming, Outgoing> {
  readonly #channel: Channel;
  #waiting: Incoming[] = [];
  #listener: ((message: Incoming) => void) | undefined;
  #isOpen = true;

  constructor(channel: MessagePort | BroadcastChannel) {
    this.#channel = channel as unknown as Channel;
    this.#channel.unref();
  }

  post(message: Outgoing): void {
    if (this.#isOpen) this.#channel.postMessage(message);
  }

  /** The next message; undefined where none has come. */
  receive(): Incoming | undefined {
    if (this.#waiting.length > 0) return this.#waiting.shift();
    if (!this.#isOpen) return undefined; // Node 26 crashes
    return receiveMessageOnPort(this.#channel as unknown as MessagePort)?.message as Incoming | undefined;
  }

  /** Gives back a message that is somebody else's: the next one to be received. */
  giveBack(message: Incoming): void {
    this.#waiting.unshift(message);
  }

  /** Undefined: what comes from now on is to wait. It never keeps the thread alive. */
  listen(listener: ((message: Incoming) => void) | undefined): void {
    this.#listener = listener;
    this.#channel.onmessage = ({ data }): void => {
      const message = data as Incoming; // the other end posts no other
      if (this.#listener === undefined) this.#waiting.push(message);
      else this.#listener(message);
    };
    this.#channel.unref();
  }

  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }
}
