// Programs whose threads share one memory, as one of these threads has them. All threads with the same memory are a group: the
// control thread welcomes each to it, and from then on this one is a member. Loaded with the first such instance of a thread.
//
//   nobody has asked for a patch yet    the instance is born at once; the control thread hears of it, and welcomes the thread
//   somebody has                        the thread waits to be welcomed, so that the instance is born with what the others have
//
// The control thread never computes, and is told past all event loops, so that is a matter of a millisecond.

import { BroadcastChannel, threadId } from 'node:worker_threads';
import {
  type FromThread,
  type GroupState,
  isSameMemory,
  Member,
  type ToThread,
  Wire,
} from '../host/threads/index.ts';
import { Patcher, programId } from '../runtime/index.ts';
import { orderedWord, tellControl } from './connect.ts';
import type { Link } from './link.ts';
import type { Born } from './loader.ts';
import type { Sharing } from './protocol.ts';
import { reasonFor, warn } from './warn.ts';

/** A control thread that does not answer for so long, ms, has died. */
const patienceMs = 3000;

type GetLink = () => Link | undefined;
type Welcome = Extract<ToThread, { type: 'welcome' }>;

export class SharedMemories {
  readonly #link: GetLink;
  readonly #memories = new Set<SharedMemory>();
  readonly #gone = new FinalizationRegistry<SharedMemory>((memory) => {
    this.#memories.delete(memory);
    memory.leave();
  });
  #next = 1;

  /** @param link to the control thread, which reads it in its own time. */
  constructor(link: GetLink) {
    this.#link = link;
  }

  adopt(memory: WebAssembly.Memory, born: Born): void {
    this.#of(memory).adopt(memory, born);
  }

  #of(memory: WebAssembly.Memory): SharedMemory {
    const known = [...this.#memories];
    const found =
      known.find(({ ref }) => ref.deref() === memory) ??
      known.find(({ ref }) => {
        const other = ref.deref();
        return other !== undefined && isSameMemory(other, memory);
      });
    if (found !== undefined) return found;
    const made = new SharedMemory(memory, `wgraft.${threadId}.${this.#next++}`, this.#link);
    this.#memories.add(made);
    this.#gone.register(memory, made);
    return made;
  }
}

class SharedMemory {
  /** The program's own; it must not live longer for our sake. */
  readonly ref: WeakRef<WebAssembly.Memory>;
  readonly #patcher = new Patcher();
  readonly #channel: string;
  readonly #wire: Wire<ToThread, FromThread>;
  readonly #link: GetLink;
  /** Programs that the control thread knows of, by build id. */
  readonly #told = new Set<string>();
  #member: Member | 'to be welcomed' | undefined;

  constructor(memory: WebAssembly.Memory, channel: string, link: GetLink) {
    this.ref = new WeakRef(memory);
    this.#channel = channel;
    this.#wire = new Wire(new BroadcastChannel(channel));
    this.#link = link;
  }

  adopt(memory: WebAssembly.Memory, born: Born): void {
    const isOrdered = Atomics.load(orderedWord(), 0) !== 0;
    if (isOrdered && this.#member === undefined) this.#waitForWelcome(memory, born);
    const { instance, module, imports, options } = born;
    if (this.#member instanceof Member) return void this.#member.adopt(instance, module, imports, options);
    this.#patcher.adopt(instance, module, imports, options);
    if (!this.#told.has(programId(module))) this.#link()?.share(this.#sharing(memory, born));
    if (this.#member === undefined) this.#awaitWelcome();
  }

  /** Nothing of the memory is left in this thread. */
  leave(): void {
    this.#link()?.shareNoMore(this.#channel);
    this.#wire.close();
  }

  #sharing(memory: WebAssembly.Memory, born: Born, answered?: Sharing['answered']): Sharing {
    const { module, options } = born;
    this.#told.add(programId(module));
    return {
      wgraft: 'sharing',
      thread: threadId,
      channel: this.#channel,
      memory,
      module,
      name: options.name,
      mirror: { status: this.#patcher.statusNow(), blocking: [] },
      answered,
    };
  }

  #waitForWelcome(memory: WebAssembly.Memory, born: Born): void {
    const answered = new Int32Array(new SharedArrayBuffer(4));
    tellControl(this.#sharing(memory, born, answered));
    Atomics.wait(answered, 0, 0, patienceMs);
    const welcome = this.#wire.receive();
    if (welcome?.type === 'welcome') void this.#join(welcome);
  }

  #awaitWelcome(): void {
    this.#member = 'to be welcomed';
    this.#wire.listen((message) => {
      this.#wire.listen(undefined);
      if (message.type === 'welcome') void this.#join(message);
    });
  }

  /** At once where nothing of the program is here yet. */
  async #join(welcome: Welcome): Promise<void> {
    try {
      if (this.#patcher.statusNow().programs.length > 0) await this.#catchUp(welcome.state);
      this.#wire.giveBack(welcome);
      this.#member = new Member(this.#wire, welcome, this.#patcher);
    } catch (cause) {
      warn(`thread ${threadId} cannot be patched: ${reasonFor(cause)}`);
    }
  }

  /** The group did not know of this thread when it put patches on: it gets them on its own, at their places. */
  async #catchUp({ programs }: GroupState): Promise<void> {
    for (const [buildId, { places, patches, universe, forced }] of Object.entries(programs)) {
      const program = this.#patcher.program(buildId);
      if (program === undefined) continue;
      program.places.merge(places);
      for (const patch of patches) await this.#give(program.name, patch);
      program.universe = universe;
      program.forced ||= forced;
    }
  }

  async #give(program: string, patch: Uint8Array): Promise<void> {
    try {
      await this.#patcher.beginApply(patch, { deadlineMs: 0 }).finished;
    } catch (cause) {
      warn(`thread ${threadId} runs without a patch of "${program}": ${reasonFor(cause)}`);
    }
  }
}
