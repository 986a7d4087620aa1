// What is shown while something takes long: nothing for the first second, then a spinner on a terminal, and elsewhere (in
// the log of a build, say) one line for each change of state.

import type { Output } from './output.ts';

export interface LongWait {
  /** What happens now; `detail` changes too often to be worth a line of a log. */
  show(state: string, detail?: string): void;
  stop(): void;
}

const quietMs = 1000;

/** Starts the first second. */
export async function longWait(output: Output, doing: string): Promise<LongWait> {
  if (output.json) return { show() {}, stop() {} };
  const spinner = output.live ? await makeSpinner() : undefined;
  let shown = false;
  let state = '';
  let detail = '';
  const line = (): string => `${doing}: ${state}${detail === '' ? '' : `, ${detail}`}`;
  const timer = setTimeout(() => {
    shown = true;
    if (spinner === undefined) output.note(line());
    else spinner.start(line());
  }, quietMs);
  return {
    show(newState, newDetail = '') {
      const changed = newState !== state;
      [state, detail] = [newState, newDetail];
      // A spinner draws what it is told, started or not.
      if (!shown) return;
      if (spinner !== undefined) spinner.text = line();
      else if (changed) output.note(line());
    },
    stop() {
      clearTimeout(timer);
      if (shown) spinner?.stop();
      shown = false;
    },
  };
}

interface Spinner {
  text: string;
  start(text: string): unknown;
  stop(): unknown;
}

async function makeSpinner(): Promise<Spinner> {
  const { default: yoctoSpinner } = await import('yocto-spinner');
  // Ctrl-C is ours: it leaves a transition running and says so.
  return yoctoSpinner({ stream: process.stderr, handleSignals: false });
}
