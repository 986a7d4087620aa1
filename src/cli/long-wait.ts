// What is shown while something takes long: nothing for the first second, then a spinner on a terminal, and elsewhere (in
// the log of a build, say) one line for each change of state.

import type { Output } from './output.ts';

export interface LongWait {
  /** What happens now; `detail` changes too often to be worth a line of a log. */
  show(state: string, detail?: string): void;
  stop(): void;
}

const quietMs = 1000;
/** From this size on, work on a module takes long enough to be worth a line. */
const largeBytes = 4 * 1024 * 1024;

/** One line before work that no turn of the event loop interrupts, if a module is large. */
export async function noteLarge(output: Output, doing: string, sizeBytes: number): Promise<void> {
  if (sizeBytes < largeBytes) return;
  const { default: prettyBytes } = await import('pretty-bytes');
  output.note(`${doing}, ${prettyBytes(sizeBytes)}`);
}

/**
 * Starts the first second.
 * @param deadly the signals that end the command at once. One that the caller handles is not among them.
 */
export async function longWait(
  output: Output,
  doing: string,
  deadly: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'],
): Promise<LongWait> {
  if (output.json) return { show() {}, stop() {} };
  const spinner = output.live ? await makeSpinner() : undefined;
  let shown = false;
  let state = '';
  let detail = '';
  const line = (): string => `${doing}: ${state}${detail === '' ? '' : `, ${detail}`}`;
  // The terminal gets its cursor back, and then the signal does what it would have done.
  const die = (signal: NodeJS.Signals): void => {
    spinner?.stop();
    process.kill(process.pid, signal);
  };
  const timer = setTimeout(() => {
    shown = true;
    if (spinner === undefined) return output.note(line());
    for (const signal of deadly) process.once(signal, die);
    spinner.start(line());
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
      for (const signal of deadly) process.off(signal, die);
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
  // It would end the process with an exit code of its own.
  return yoctoSpinner({ stream: process.stderr, handleSignals: false });
}
