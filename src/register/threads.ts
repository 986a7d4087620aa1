// The operations on a program with several threads. Each thread has a patcher and instances of its own, so each switches on
// its own; here requests are handed to all that they concern, and answers put together. A patch belongs to the program:
// threads that come later get it, too, and where one thread refuses it, it comes off the others again.

import type { MessagePort } from 'node:worker_threads';
import { WgraftError } from '../errors.ts';
import {
  type Blocking,
  Events,
  type LoadedPatch,
  loadPatch,
  type Operations,
  otherBuild,
  type PatcherEvent,
  type Status,
  type TransitionOptions,
  type TransitionResult,
  type VerifyReport,
} from '../runtime/index.ts';
import { Thread } from './thread.ts';

interface Known {
  readonly id: string;
  readonly name: string;
  readonly buildId: string;
  readonly bytes: Uint8Array;
}

const defaultTimeoutMs = 30_000;
/** A thread that answers in time beats the limit here by this much, ms: its answer says more. */
const graceMs = 250;

export class Threads implements Operations {
  readonly #threads = new Set<Thread>();
  readonly #events = new Events();
  /** The patches that are on through here, in the order of the patch stack. */
  #patches: readonly Known[] = [];
  /** Threads that are given patches right now, and what each was given: where that failed or was reversed, it is not tried again. */
  readonly #catchingUp = new Set<Thread>();
  readonly #given = new WeakMap<Thread, Set<string>>();

  add(id: number, port: MessagePort): void {
    const thread = new Thread(id, port, {
      event: (event) => this.#events.emit(event),
      mirrored: (mirrored) => this.#catchUp(mirrored),
      ended: (ended) => void this.#threads.delete(ended),
    });
    this.#threads.add(thread);
  }

  get #all(): Thread[] {
    return [...this.#threads].sort((a, b) => a.id - b.id);
  }

  async status(): Promise<Status> {
    const programs = await Promise.all(this.#all.map((thread) => thread.look()));
    return { pid: process.pid, programs: programs.flat() };
  }

  async blocking(): Promise<readonly Blocking[]> {
    return (await Promise.all(this.#all.map((thread) => thread.blocking()))).flat();
  }

  async verify(bytes: Uint8Array): Promise<VerifyReport> {
    const patch = loadPatch(bytes);
    const threads = this.#threadsOf(patch);
    const reports = await Promise.all(threads.map((thread) => thread.verify(bytes)));
    const [first] = reports;
    if (first === undefined) throw await this.#noProgram(patch, bytes);
    return { ...first, applied: reports.every((r) => r.applied) };
  }

  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    const patch = loadPatch(bytes);
    const concerned = this.#threadsOf(patch);
    if (concerned.length === 0) throw await this.#noProgram(patch, bytes);
    const without = concerned.filter((thread) => !thread.has(patch.id));
    const { id, manifest } = patch;
    const { buildId } = manifest.target;
    // Where all have it, any of them says so.
    if (without.length > 0) this.#patches = [...this.#patches, { id, name: manifest.name, buildId, bytes }];
    const wanted = { buildId, id, patch: manifest.name };
    const question = { call: 'apply', patch: bytes, options } as const;
    const limitMs = (options.timeoutMs ?? defaultTimeoutMs) + graceMs;
    const threads = without.length > 0 ? without : concerned;
    for (const thread of threads) this.#note(thread, id);
    const settled = await Promise.allSettled(threads.map((t) => t.change(question, wanted, limitMs)));
    const refused = reasons(settled);
    if (without.length === 0) return joined(settled);
    const { wait = true } = options;
    const reversed = wait && settled.some((s) => s.status === 'fulfilled' && !s.value.complete);
    if (refused.length === 0 && !reversed) return joined(settled);
    const stalled = refused.every((reason) => WgraftError.is(reason, 'WGRAFT_ERR_TRANSITION_STALLED'));
    // A transition that is late goes on; one that cannot be, or was reversed, must not be half there.
    if (!stalled || reversed) await this.#takeBack(id, threads);
    return joined(settled);
  }

  async revert(wanted: string | undefined, options: TransitionOptions = {}): Promise<TransitionResult> {
    const { id, name, buildId } = this.#find(wanted);
    this.#patches = this.#patches.filter((known) => known.id !== id);
    const threads = this.#all.filter((thread) => thread.has(id));
    const limitMs = (options.timeoutMs ?? defaultTimeoutMs) + graceMs;
    const question = { call: 'revert', patch: id, options } as const;
    const settled = await Promise.allSettled(
      threads.map((thread) => thread.change(question, { buildId, id, patch: name }, limitMs)),
    );
    return joined(settled);
  }

  async force(options: TransitionOptions = {}): Promise<TransitionResult> {
    const waiting = this.#all.filter((thread) => thread.programs.some((p) => p.transition !== undefined));
    if (waiting.length === 0) throw new WgraftError('WGRAFT_ERR_NO_TRANSITION', {});
    const settled = await Promise.allSettled(waiting.map((thread) => thread.force(options)));
    return joined(settled);
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  #threadsOf({ manifest }: LoadedPatch): Thread[] {
    return this.#all.filter((thread) => thread.runs(manifest.target.buildId));
  }

  /** Why no thread can take a patch: a thread that is free knows best what differs. */
  async #noProgram(patch: LoadedPatch, bytes: Uint8Array): Promise<unknown> {
    for (const thread of this.#all) {
      if ((await thread.busyMs()) > 0) continue;
      const reason: unknown = await thread.verify(bytes).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (reason !== undefined) return reason;
    }
    return otherBuild(patch, []);
  }

  /** Patches that the program applied itself are known from the mirrors only. */
  #find(wanted: string | undefined): Omit<Known, 'bytes'> {
    const mirrored = this.#all.flatMap((thread) =>
      thread.programs.flatMap(({ buildId, patches }) =>
        patches.map(({ id, name }) => ({ id, name, buildId })),
      ),
    );
    const all = [...mirrored.filter((m) => !this.#patches.some((k) => k.id === m.id)), ...this.#patches];
    const found = all.findLast(
      ({ id, name }) =>
        wanted === undefined || name === wanted || (wanted.length >= 8 && id.startsWith(wanted)),
    );
    if (found !== undefined) return found;
    const applied = [...new Set(all.map(({ name }) => name))];
    throw new WgraftError(
      'WGRAFT_ERR_PATCH_UNKNOWN',
      wanted === undefined ? { applied } : { patch: wanted, applied },
    );
  }

  async #takeBack(id: string, threads: readonly Thread[]): Promise<void> {
    this.#patches = this.#patches.filter((known) => known.id !== id);
    const having = threads.filter((thread) => thread.has(id));
    const question = { call: 'revert', patch: id, options: { wait: false } } as const;
    await Promise.allSettled(
      having.map((thread) => thread.change(question, { buildId: '', id, patch: id }, defaultTimeoutMs)),
    );
  }

  /** A thread that has begun to run a program gets the patches that the program has. */
  async #catchUp(thread: Thread): Promise<void> {
    if (this.#catchingUp.has(thread)) return;
    this.#catchingUp.add(thread);
    for (let next = this.#missing(thread); next !== undefined; next = this.#missing(thread))
      await this.#give(thread, next);
    this.#catchingUp.delete(thread);
  }

  #missing(thread: Thread): Known | undefined {
    const given = this.#given.get(thread);
    return this.#patches.find(
      ({ id, buildId }) => thread.runs(buildId) && !thread.has(id) && !given?.has(id),
    );
  }

  #note(thread: Thread, id: string): void {
    this.#given.set(thread, new Set(this.#given.get(thread)).add(id));
  }

  async #give(thread: Thread, { id, name, buildId, bytes }: Known): Promise<void> {
    const question = { call: 'apply', patch: bytes, options: {} } as const;
    this.#note(thread, id);
    try {
      await thread.change(question, { buildId, id, patch: name }, defaultTimeoutMs + graceMs);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      process.emitWarning(`thread ${thread.id} runs without patch "${name}": ${reason}`, 'WgraftWarning');
    }
  }
}

/** One result for all threads. @throws the first refusal */
function joined(settled: readonly PromiseSettledResult<TransitionResult>[]): TransitionResult {
  const [refusal] = reasons(settled);
  if (refusal !== undefined) throw refusal;
  const results = settled.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  const [first] = results;
  if (first === undefined) throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'no thread was asked' });
  return {
    ...first,
    complete: results.every((r) => r.complete),
    instances: {
      done: results.reduce((sum, r) => sum + r.instances.done, 0),
      total: results.reduce((sum, r) => sum + r.instances.total, 0),
    },
    elapsedMs: Math.max(...results.map((r) => r.elapsedMs)),
  };
}

function reasons(settled: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return settled.flatMap((s): unknown[] => (s.status === 'rejected' ? [s.reason] : []));
}
