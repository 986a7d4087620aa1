// Events: `diagnostics_channel` names wgraft:instance, wgraft:transition, wgraft:migrated and wgraft:callback, and whoever subscribed to one
// patcher. The runtime logs nothing.

import diagnostics from 'node:diagnostics_channel';
import type { PatcherEvent } from './operations.ts';

const channels = {
  instance: diagnostics.channel('wgraft:instance'),
  transition: diagnostics.channel('wgraft:transition'),
  migrated: diagnostics.channel('wgraft:migrated'),
  callback: diagnostics.channel('wgraft:callback'),
} as const;

export class Events {
  readonly #listeners = new Set<(event: PatcherEvent) => void>();

  subscribe(listener: (event: PatcherEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Never throws: a listener's mistake must not reach the program whose call led here. */
  emit(event: PatcherEvent): void {
    const channel = channels[event.type];
    if (channel.hasSubscribers) channel.publish(event);
    this.tell(event);
  }

  /** Tells those who subscribed here, and publishes nothing. Never throws. */
  tell(event: PatcherEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
