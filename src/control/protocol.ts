// The wire: JSON-RPC 2.0 over a unix socket, framed by Content-Length headers. Both sides import this file.
//
//   client -> server   hello (always first), status, blocking, verify, apply, revert, force, subscribe, unsubscribe, ping
//   server -> client   events (notification, after subscribe; several at a time)
//
// Parameters are by name. An error's `data` is what WgraftError.toJSON wrote. A major version may change anything; a
// minor one only adds, and each side ignores what it does not know.

import * as v from 'valibot';
import { WgraftError } from '../errors.ts';
import { consistencyModels, patchSizeLimitBytes } from '../patch/index.ts';
import type {
  Blocking,
  PatcherEvent,
  Status,
  TransitionOptions,
  TransitionResult,
  VerifyReport,
} from '../runtime/index.ts';

export const protocol = { major: 1, minor: 1 } as const;

/** A frame holds at most one patch of the largest size, in base64, and a little around it. */
export const frameLimitBytes: number = Math.ceil(patchSizeLimitBytes / 3) * 4 + 64 * 1024;

/** The code of JSON-RPC errors that carry a WgraftError. */
export const applicationError = -32000;

/** What a server says of its process. */
export interface Hello {
  readonly protocol: { readonly major: number; readonly minor: number };
  /** What the socket is called. */
  readonly name: string;
  readonly pid: number;
  /** Versions. */
  readonly wgraft: string;
  readonly node: string;
  /** When the process started, ISO 8601. */
  readonly started: string;
}

const text = v.string();
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const number = v.pipe(v.number(), v.finite());
const texts = v.array(text);
const named = { id: text, name: text, functions: texts };
const progress = v.object({ done: count, total: count });
const direction = v.picklist(['apply', 'revert']);
const model = v.picklist(consistencyModels);
const versions = v.object({ major: count, minor: count });
const metadata = v.object({
  description: v.exactOptional(text),
  author: v.exactOptional(text),
  cves: v.exactOptional(texts),
});
const options = {
  timeoutMs: v.exactOptional(v.pipe(number, v.minValue(0), v.maxValue(2 ** 31 - 1))),
  wait: v.exactOptional(v.boolean()),
  model: v.exactOptional(model),
  deadlineMs: v.exactOptional(v.pipe(number, v.minValue(0))),
  retryMs: v.exactOptional(v.pipe(number, v.minValue(0))),
};
const patch = v.object({ patch: text });
const thread = { thread: v.exactOptional(count) };

type Schema<T> = v.GenericSchema<unknown, T>;

/** What each request's parameters must be. */
export const params: {
  readonly hello: Schema<{ protocol: Hello['protocol'] }>;
  readonly verify: Schema<{ patch: string }>;
  readonly apply: Schema<{ patch: string } & TransitionOptions>;
  readonly revert: Schema<{ patch?: string } & TransitionOptions>;
  readonly force: Schema<TransitionOptions>;
} = {
  hello: v.object({ protocol: versions }),
  verify: patch,
  apply: v.object({ ...patch.entries, ...options }),
  revert: v.object({ patch: v.exactOptional(v.pipe(text, v.maxLength(256))), ...options }),
  force: v.object(options),
};

export type Method =
  | 'hello'
  | 'status'
  | 'blocking'
  | 'verify'
  | 'apply'
  | 'revert'
  | 'force'
  | 'subscribe'
  | 'unsubscribe'
  | 'ping';

const hello: Schema<Hello> = v.object({
  protocol: versions,
  name: text,
  pid: count,
  wgraft: text,
  node: text,
  started: text,
});

const program = v.object({
  name: text,
  buildId: text,
  slots: count,
  universe: count,
  instances: v.array(v.object({ id: count, state: v.picklist([-1, 0, 1]), ...thread })),
  forced: v.boolean(),
  patches: v.array(
    v.object({
      ...named,
      state: v.picklist(['applying', 'applied', 'reverting']),
      cumulative: v.boolean(),
      states: v.array(v.object({ id: count, version: count })),
      metadata,
    }),
  ),
  transition: v.optional(
    v.object({
      patch: text,
      direction,
      model,
      phase: v.picklist(['preparing', 'committing', 'finishing']),
      runningMs: number,
      instances: progress,
    }),
  ),
  busyMs: v.exactOptional(number),
});

const status: Schema<Status> = v.object({
  pid: count,
  programs: v.array(
    v.pipe(
      program,
      // JSON leaves out what is undefined; the type wants the key.
      v.transform((p) => ({ ...p, transition: p.transition })),
    ),
  ),
});

const blocking: Schema<readonly Blocking[]> = v.array(
  v.object({
    program: text,
    instance: count,
    ...thread,
    busyMs: v.exactOptional(number),
    blockedMs: number,
    state: v.picklist(['running', 'suspended', 'unwound', 'unseen', 'no-safe-point']),
    functions: texts,
    stack: texts,
  }),
);

const verify: Schema<VerifyReport> = v.object({
  program: text,
  patch: v.object(named),
  applied: v.boolean(),
});

const transition: Schema<TransitionResult> = v.object({
  program: text,
  patch: v.object(named),
  direction,
  complete: v.boolean(),
  universe: v.object({ from: count, to: count }),
  instances: progress,
  elapsedMs: number,
});

const event: Schema<PatcherEvent> = v.variant('type', [
  v.object({
    type: v.literal('instance'),
    program: text,
    instance: count,
    ...thread,
    change: v.picklist(['born', 'gone']),
  }),
  v.object({
    type: v.literal('transition'),
    program: text,
    patch: text,
    direction,
    step: v.picklist([
      'initializing',
      'starting',
      'completing',
      'complete',
      'reversing',
      'cancelled',
      'expired',
      'forced',
      'signaling',
    ]),
  }),
  v.object({
    type: v.literal('callback'),
    program: text,
    patch: text,
    instance: count,
    ...thread,
    callback: v.picklist(['prePatch', 'postPatch', 'preUnpatch', 'postUnpatch']),
    outcome: v.picklist(['done', 'refused', 'trapped']),
    reason: v.exactOptional(text),
  }),
  v.object({
    type: v.literal('migrated'),
    program: text,
    instance: count,
    ...thread,
    universe: count,
    safePoint: v.exactOptional(text),
  }),
]);

/** What each answer, and the one notification, must be. */
export const answers: {
  readonly hello: Schema<Hello>;
  readonly status: Schema<Status>;
  readonly blocking: Schema<readonly Blocking[]>;
  readonly verify: Schema<VerifyReport>;
  readonly transition: Schema<TransitionResult>;
  readonly events: Schema<{ events: readonly unknown[] }>;
  readonly event: Schema<PatcherEvent>;
  readonly any: Schema<unknown>;
} = {
  hello,
  status,
  blocking,
  verify,
  transition,
  events: v.object({ events: v.array(v.unknown()) }),
  event,
  any: v.unknown(),
};

/** Checks what the other side sent. @throws WGRAFT_ERR_PROTOCOL */
export function checked<Output>(
  schema: v.GenericSchema<unknown, Output>,
  value: unknown,
  what: string,
): Output {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  throw new WgraftError('WGRAFT_ERR_PROTOCOL', {
    reason: `${what}${path === null ? '' : `.${path}`}: expected ${issue.expected ?? 'something else'}`,
  });
}

/** A patch as it crosses the wire. @throws WGRAFT_ERR_PATCH_TOO_LARGE */
export function encodePatch(bytes: Uint8Array): string {
  refuseLarge(bytes.length);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** The bytes of a patch from the wire; its size is checked before it is decoded. @throws WGRAFT_ERR_PATCH_TOO_LARGE, WGRAFT_ERR_PROTOCOL */
export function decodePatch(base64: string): Uint8Array {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  const sizeBytes = Math.floor(base64.length / 4) * 3 - padding;
  refuseLarge(sizeBytes);
  const bytes = base64.length % 4 === 0 ? Buffer.from(base64, 'base64') : undefined;
  // Node's decoder skips what is not base64; then fewer bytes come out than the length promises.
  if (bytes?.length !== sizeBytes) {
    throw new WgraftError('WGRAFT_ERR_PROTOCOL', { reason: 'the patch is not base64' });
  }
  return bytes;
}

function refuseLarge(sizeBytes: number): void {
  if (sizeBytes <= patchSizeLimitBytes) return;
  throw new WgraftError('WGRAFT_ERR_PATCH_TOO_LARGE', { sizeBytes, limitBytes: patchSizeLimitBytes });
}

/** Options as parameters: absent ones stay absent. */
export function wireOptions(from: TransitionOptions): TransitionOptions {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined));
}
