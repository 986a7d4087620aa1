// What of WASI preview 1's binary interface wgraft has to know by itself: a few error numbers, iovecs, subscriptions and
// events. Everything else is node:wasi's. All numbers little endian.
//
//   iovec         buf:u32 len:u32
//   subscription  userdata:u64 @0  tag:u8 @8 (0 clock, 1 fd_read, 2 fd_write)   48 bytes
//                 clock:    id:u32 @16 timeout:u64 ns @24 precision:u64 @32 flags:u16 @40 (1 = timeout is a point in time)
//                 fd_*:     fd:u32 @16
//   event         userdata:u64 @0  error:u16 @8  type:u8 @10  nbytes:u64 @16  flags:u16 @24 (1 = hangup)   32 bytes

export const wasiModule = 'wasi_snapshot_preview1';

export const errno = { success: 0, again: 6, badf: 8, inval: 28, io: 29, overflow: 61 } as const;

export const subscriptionBytes = 48;
export const eventBytes = 32;

export const subscriptionTag = { clock: 0, fdRead: 1, fdWrite: 2 } as const;
export const clockId = { realtime: 0, monotonic: 1 } as const;

export type Subscription = { readonly userdata: bigint; readonly at: number } & (
  | { readonly kind: 'clock'; readonly clock: number; readonly timeoutNs: bigint; readonly absolute: boolean }
  | { readonly kind: 'read' | 'write'; readonly fd: number }
  | { readonly kind: 'unknown' }
);

export interface Event {
  readonly userdata: bigint;
  readonly type: number;
  readonly errno?: number;
  readonly bytes?: number;
  readonly hangup?: boolean;
}

/** The guest's memory as it is now: it may have grown since the last host call, which takes the old buffer away. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  get view(): DataView {
    return new DataView(this.#memory.buffer);
  }

  /** True where all of the range lies in memory. Pointers come as signed i32. */
  holds(at: number, bytes: number): boolean {
    return (at >>> 0) + bytes <= this.#memory.buffer.byteLength;
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at >>> 0, length >>> 0);
  }

  /** The buffers of an iovec array (the first 1024, as readv takes them), undefined where one is not in memory. */
  iovecs(at: number, count: number): Uint8Array[] | undefined {
    if (!this.holds(at, (count >>> 0) * 8)) return undefined;
    const { view } = this;
    const buffers: Uint8Array[] = [];
    for (let i = 0; i < Math.min(count >>> 0, 1024); i += 1) {
      const start = view.getUint32((at >>> 0) + i * 8, true);
      const length = view.getUint32((at >>> 0) + i * 8 + 4, true);
      if (!this.holds(start, length)) return undefined;
      buffers.push(this.bytes(start, length));
    }
    return buffers;
  }

  subscriptions(at: number, count: number): Subscription[] {
    return Array.from({ length: count >>> 0 }, (_, i) =>
      readSubscription(this.view, (at >>> 0) + i * subscriptionBytes),
    );
  }

  writeEvents(at: number, events: readonly Event[]): void {
    const { view } = this;
    events.forEach((event, i) => {
      const start = (at >>> 0) + i * eventBytes;
      this.bytes(start, eventBytes).fill(0);
      view.setBigUint64(start, event.userdata, true);
      view.setUint16(start + 8, event.errno ?? errno.success, true);
      view.setUint8(start + 10, event.type);
      view.setBigUint64(start + 16, BigInt(event.bytes ?? 0), true);
      view.setUint16(start + 24, event.hangup === true ? 1 : 0, true);
    });
  }
}

function readSubscription(view: DataView, at: number): Subscription {
  const userdata = view.getBigUint64(at, true);
  switch (view.getUint8(at + 8)) {
    case subscriptionTag.clock: {
      const absolute = (view.getUint16(at + 40, true) & 1) === 1;
      const clock = view.getUint32(at + 16, true);
      return { userdata, at, kind: 'clock', clock, timeoutNs: view.getBigUint64(at + 24, true), absolute };
    }
    case subscriptionTag.fdRead:
      return { userdata, at, kind: 'read', fd: view.getUint32(at + 16, true) };
    case subscriptionTag.fdWrite:
      return { userdata, at, kind: 'write', fd: view.getUint32(at + 16, true) };
    default:
      return { userdata, at, kind: 'unknown' };
  }
}
