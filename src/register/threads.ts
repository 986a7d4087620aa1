// The operations on a program with several threads. Each thread has a patcher and instances of its own, so each switches on
// its own; only threads that work on one memory switch together, as a group. Here requests are handed to all these parts of the
// program that they concern, and answers put together. A patch belongs to the program: parts that come later get it, too,
// and where one refuses it, it comes off the others again.

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
import { collectGarbage } from './collect-garbage.ts';
import { MemoryGroup } from './memory-group.ts';
import type { Part, PartListener } from './part.ts';
import type { Sharing } from './protocol.ts';
import { Thread } from './thread.ts';
import { reasonFor, warn } from './warn.ts';

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
  readonly #groups = new Set<MemoryGroup>();
  /** See `orderedKey` in protocol.ts. */
  readonly #ordered: Int32Array<SharedArrayBuffer>;
  readonly #events = new Events();
  readonly #listener: PartListener = {
    event: (event) => this.#events.emit(event),
    changed: (part) => void this.#catchUp(part),
  };
  /** The patches that are on through here, in the order of the patch stack. */
  #patches: readonly Known[] = [];
  /** Parts that are given patches right now, and what each was given: where that failed or was reversed, it is not tried again. */
  readonly #catchingUp = new Set<Part>();
  readonly #given = new WeakMap<Part, Set<string>>();

  constructor(ordered: Int32Array<SharedArrayBuffer>) {
    this.#ordered = ordered;
  }

  add(id: number, port: MessagePort): void {
    const thread = new Thread(id, port, {
      ...this.#listener,
      shares: (sharing) => this.share(sharing),
      sharesNoMore: (channel) => this.#dismiss({ thread: id, channel }),
      ended: (ended) => {
        this.#threads.delete(ended);
        this.#dismiss({ thread: id });
      },
    });
    this.#threads.add(thread);
  }

  /** A thread works on a memory that others have too, or will have. */
  share(sharing: Sharing): void {
    try {
      const group = [...this.#groups].find((g) => g.isOf(sharing.memory)) ?? this.#newGroup(sharing.memory);
      group.share(sharing);
    } catch (cause) {
      warn(`thread ${sharing.thread} cannot be patched: ${reasonFor(cause)}`);
    }
  }

  #newGroup(memory: WebAssembly.Memory): MemoryGroup {
    const taken = new Set([...this.#groups].map((g) => g.number));
    let number = 1;
    while (taken.has(number)) number += 1;
    const group = new MemoryGroup(number, memory, {
      ...this.#listener,
      onEmpty: (empty) => {
        this.#groups.delete(empty);
        collectGarbage(); // the program waits for its memory to be given back
      },
    });
    this.#groups.add(group);
    return group;
  }

  #dismiss(who: { readonly thread: number; readonly channel?: string }): void {
    for (const group of this.#groups) group.dismiss(who);
  }

  get #all(): Part[] {
    return [...this.#groups, ...[...this.#threads].sort((a, b) => a.id - b.id)];
  }

  async status(): Promise<Status> {
    const programs = await Promise.all(this.#all.map((part) => part.look()));
    return { pid: process.pid, programs: programs.flat() };
  }

  async blocking(): Promise<readonly Blocking[]> {
    return (await Promise.all(this.#all.map((part) => part.blocking()))).flat();
  }

  async verify(bytes: Uint8Array): Promise<VerifyReport> {
    const patch = loadPatch(bytes);
    const parts = this.#partsOf(patch);
    const reports = await Promise.all(parts.map((part) => part.verify(bytes)));
    const [first] = reports;
    if (first === undefined) throw await this.#noProgram(patch, bytes);
    return { ...first, applied: reports.every((r) => r.applied) };
  }

  async apply(bytes: Uint8Array, options: TransitionOptions = {}): Promise<TransitionResult> {
    Atomics.store(this.#ordered, 0, 1);
    const patch = loadPatch(bytes);
    const concerned = this.#partsOf(patch);
    if (concerned.length === 0) throw await this.#noProgram(patch, bytes);
    const without = concerned.filter((part) => !part.has(patch.id));
    const { id, manifest } = patch;
    const { buildId } = manifest.target;
    // Where all have it, any of them says so.
    if (without.length > 0) this.#note({ id, name: manifest.name, buildId, bytes });
    const wanted = { buildId, id, patch: manifest.name };
    const question = { call: 'apply', patch: bytes, options } as const;
    const limitMs = (options.timeoutMs ?? defaultTimeoutMs) + graceMs;
    const parts = without.length > 0 ? without : concerned;
    for (const part of parts) this.#noteGiven(part, id);
    const settled = await Promise.allSettled(parts.map((p) => p.change(question, wanted, limitMs)));
    const refused = reasons(settled);
    if (without.length === 0) return joined(settled);
    const { wait = true } = options;
    const reversed = wait && settled.some((s) => s.status === 'fulfilled' && !s.value.complete);
    if (refused.length === 0 && !reversed) return joined(settled);
    const stalled = refused.every((reason) => WgraftError.is(reason, 'WGRAFT_ERR_TRANSITION_STALLED'));
    // A transition that is late goes on; one that cannot be, or was reversed, must not be half there.
    if (!stalled || reversed) await this.#takeBack(id, parts);
    return joined(settled);
  }

  async revert(wanted: string | undefined, options: TransitionOptions = {}): Promise<TransitionResult> {
    const { id, name, buildId } = this.#find(wanted);
    this.#patches = this.#patches.filter((known) => known.id !== id);
    const parts = this.#all.filter((part) => part.has(id));
    const limitMs = (options.timeoutMs ?? defaultTimeoutMs) + graceMs;
    if (parts.length === 0) return offAlready({ id, name, buildId });
    const question = { call: 'revert', patch: id, options } as const;
    const settled = await Promise.allSettled(
      parts.map((part) => part.change(question, { buildId, id, patch: name }, limitMs)),
    );
    return joined(settled);
  }

  async force(options: TransitionOptions = {}): Promise<TransitionResult> {
    const waiting = this.#all.filter((part) => part.programs.some((p) => p.transition !== undefined));
    if (waiting.length === 0) throw new WgraftError('WGRAFT_ERR_NO_TRANSITION', {});
    const settled = await Promise.allSettled(waiting.map((part) => part.force(options)));
    return joined(settled);
  }

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  #partsOf({ manifest }: LoadedPatch): Part[] {
    return this.#all.filter((part) => part.runs(manifest.target.buildId));
  }

  /** Why no part can take a patch: a part that is free knows best what differs. */
  async #noProgram(patch: LoadedPatch, bytes: Uint8Array): Promise<unknown> {
    for (const part of this.#all) {
      if ((await part.busyMs()) > 0) continue;
      const reason: unknown = await part.verify(bytes).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (reason !== undefined) return reason;
    }
    return otherBuild(patch, []);
  }

  /** Patches that the program applied itself are known from the mirrors only. */
  #find(wanted: string | undefined): Omit<Known, 'bytes'> {
    const mirrored = this.#all.flatMap((part) =>
      part.programs.flatMap(({ buildId, patches }) => patches.map(({ id, name }) => ({ id, name, buildId }))),
    );
    const known = this.#patches.filter((patch) => !this.#isTakenBack(patch));
    const all = [...mirrored.filter((m) => !known.some((k) => k.id === m.id)), ...known];
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

  async #takeBack(id: string, parts: readonly Part[]): Promise<void> {
    this.#patches = this.#patches.filter((known) => known.id !== id);
    const having = parts.filter((part) => part.has(id));
    const question = { call: 'revert', patch: id, options: { wait: false } } as const;
    await Promise.allSettled(
      having.map((part) => part.change(question, { buildId: '', id, patch: id }, defaultTimeoutMs)),
    );
  }

  /** A part that has begun to run a program gets the patches that the program has. */
  async #catchUp(part: Part): Promise<void> {
    if (this.#catchingUp.has(part)) return;
    this.#catchingUp.add(part);
    for (let next = this.#missing(part); next !== undefined; next = this.#missing(part))
      await this.#give(part, next);
    this.#catchingUp.delete(part);
  }

  #missing(part: Part): Known | undefined {
    const given = this.#given.get(part);
    const isMissing = ({ id, buildId }: Known): boolean =>
      part.runs(buildId) && !part.has(id) && !given?.has(id);
    return this.#patches.find((patch) => isMissing(patch) && !this.#isTakenBack(patch));
  }

  /** Its deadline passed, say: those that were given it do not have it any more. */
  #isTakenBack({ id, buildId }: Known): boolean {
    const given = this.#all.filter((part) => part.runs(buildId) && this.#given.get(part)?.has(id));
    return given.length > 0 && !given.some((part) => part.has(id));
  }

  #note(patch: Known): void {
    this.#patches = [...this.#patches.filter(({ id }) => id !== patch.id), patch];
  }

  #noteGiven(part: Part, id: string): void {
    this.#given.set(part, new Set(this.#given.get(part)).add(id));
  }

  async #give(part: Part, { id, name, buildId, bytes }: Known): Promise<void> {
    const question = { call: 'apply', patch: bytes, options: {} } as const;
    this.#noteGiven(part, id);
    try {
      await part.change(question, { buildId, id, patch: name }, defaultTimeoutMs + graceMs);
    } catch (cause) {
      warn(`${part.title} runs without patch "${name}": ${reasonFor(cause)}`);
    }
  }
}

/** Nothing that runs has it; what comes later will not either. */
function offAlready({ id, name, buildId }: Omit<Known, 'bytes'>): TransitionResult {
  return {
    program: buildId.slice(0, 12),
    patch: { id, name, functions: [] },
    direction: 'revert',
    complete: true,
    universe: { from: 0, to: 0 },
    instances: { done: 0, total: 0 },
    elapsedMs: 0,
  };
}

/** One result for all parts. @throws the first refusal */
function joined(settled: readonly PromiseSettledResult<TransitionResult>[]): TransitionResult {
  const [refusal] = reasons(settled);
  if (refusal !== undefined) throw refusal;
  const results = settled.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  const [first] = results;
  if (first === undefined) throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'no part was asked' });
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
