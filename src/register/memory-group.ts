// The threads that work on one shared memory, as the control thread knows them: a group, which patches them as one.

import { BroadcastChannel } from 'node:worker_threads';
import { type Admitted, isSameMemory, ThreadGroup } from '../host/threads/index.ts';
import type {
  Blocking,
  ProgramStatus,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from '../runtime/index.ts';
import type { Change, Part, PartListener } from './part.ts';
import type { Sharing } from './protocol.ts';

/** Node bears fewer. */
const maxThreads = 1024;

export class MemoryGroup implements Part {
  /** Counts memories that are there at the same time. */
  readonly number: number;
  readonly #memory: WebAssembly.Memory;
  readonly #group: ThreadGroup;
  /** Its threads, by their channels. */
  readonly #admitted = new Map<string, Admitted & { readonly thread: number }>();
  readonly #listener: PartListener;

  /** @param onEmpty its last thread has left. */
  constructor(
    number: number,
    memory: WebAssembly.Memory,
    listener: PartListener & { onEmpty(of: MemoryGroup): void },
  ) {
    this.number = number;
    this.#memory = memory;
    this.#listener = listener;
    this.#group = new ThreadGroup(
      { maxThreads },
      { onMirror: () => listener.changed(this), onEmpty: () => listener.onEmpty(this) },
    );
    this.#group.subscribe((event) => listener.event({ ...event, program: this.#label(event.program) }));
  }

  get title(): string {
    return `memory ${this.number}`;
  }

  has(id: string): boolean {
    return this.programs.some((p) => p.patches.some((on) => on.id === id));
  }

  isOf(memory: WebAssembly.Memory): boolean {
    return isSameMemory(this.#memory, memory);
  }

  /** A thread says what it runs, for the first time or again. @throws WGRAFT_ERR_GROUP_FULL */
  share(sharing: Sharing): void {
    const { channel, module, name, mirror, answered } = sharing;
    try {
      this.#group.introduce(module, name);
      const known = this.#admitted.get(channel);
      if (known !== undefined) known.reflect(mirror);
      else this.#admit(sharing);
    } finally {
      if (answered !== undefined) {
        Atomics.store(answered, 0, 1);
        Atomics.notify(answered, 0);
      }
    }
    this.#listener.changed(this);
  }

  #admit({ channel, thread, mirror }: Sharing): void {
    const admitted = this.#group.admit(new BroadcastChannel(channel), thread, mirror);
    this.#admitted.set(channel, { ...admitted, thread });
  }

  /** A thread has ended, or given the memory up. */
  dismiss({ thread, channel }: { readonly thread: number; readonly channel?: string }): void {
    for (const [known, of] of this.#admitted) {
      if (of.thread !== thread || (channel !== undefined && channel !== known)) continue;
      this.#admitted.delete(known);
      of.end();
    }
  }

  get programs(): readonly ProgramStatus[] {
    return this.#group.statusNow().programs;
  }

  runs(buildId: string): boolean {
    return this.programs.some((p) => p.buildId === buildId && p.instances.length > 0);
  }

  async look(): Promise<readonly ProgramStatus[]> {
    const { programs } = await this.#group.status();
    return programs.map((p) => ({ ...p, name: this.#label(p.name) }));
  }

  async blocking(): Promise<readonly Blocking[]> {
    return (await this.#group.blocking()).map((b) => ({ ...b, program: this.#label(b.program) }));
  }

  /** The group itself always answers. */
  async busyMs(): Promise<number> {
    return 0;
  }

  verify(patch: Uint8Array): Promise<VerifyReport> {
    return this.#group.verify(patch);
  }

  force(options: TransitionOptions): Promise<TransitionResult> {
    return this.#group.force(options);
  }

  change(question: Change): Promise<TransitionResult> {
    if (question.call === 'apply') return this.#group.apply(question.patch, question.options);
    return this.#group.revert(question.patch, question.options);
  }

  /** One program can run in several memories. */
  #label(program: string): string {
    return this.number === 1 ? program : `${program}#${this.number}`;
  }
}
