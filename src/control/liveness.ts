// Tells a busy target from one that works on a request. A Node process inside a long Wasm call answers nothing; one in
// the middle of a transition answers a ping at once.

/** Calls `onBusy` once, when a ping got no answer for `busyMs`. Returns what ends the watch. */
export function watchLiveness(ping: () => Promise<unknown>, busyMs: number, onBusy: () => void): () => void {
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const beat = async (): Promise<void> => {
    if (over) return;
    timer = setTimeout(onBusy, busyMs);
    try {
      await ping();
    } catch {
      // A lost connection is found out by the request itself.
      over = true;
    }
    clearTimeout(timer);
    if (!over) timer = setTimeout(() => void beat(), busyMs);
  };
  void beat();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
