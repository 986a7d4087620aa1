// What is shown while something takes long: in a log, with --json and with --quiet. Only the clock is not real.
// test/e2e/terminal.test.ts has the line on a terminal.

import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';
import { longWait } from '../../../src/cli/long-wait.ts';
import { Output, type OutputOptions } from '../../../src/cli/output.ts';

let written: MockInstance<typeof process.stderr.write>;
const { isTTY } = process.stderr;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubEnv('CI', undefined); // a spinner does not turn there
  vi.stubEnv('TERM', 'xterm');
  written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  written.mockRestore();
  process.stderr.isTTY = isTTY;
});

const shown = (): string => written.mock.calls.map(([chunk]) => String(chunk)).join('');

/** Works for two and a half seconds and says what it does; returns what was written in the first second, and in all. */
async function work(options: OutputOptions): Promise<{ early: string; late: string }> {
  process.stderr.isTTY = false;
  const output = new Output({});
  output.configure(options);
  const wait = await longWait(output, 'preparing big.wasm');
  wait.show('reading');
  wait.show('rewriting', '10%');
  vi.advanceTimersByTime(999);
  const early = shown();
  vi.advanceTimersByTime(1);
  wait.show('rewriting', '50%');
  vi.advanceTimersByTime(500);
  wait.show('checking');
  vi.advanceTimersByTime(1000);
  const late = shown();
  wait.stop();
  return { early, late };
}

test('on a terminal: what is done within a second leaves no trace', async () => {
  process.stderr.isTTY = true;
  const wait = await longWait(new Output({}), 'apply in api');
  for (const state of ['waiting', 'completing', 'complete']) wait.show(state, '1 switched');
  vi.advanceTimersByTime(500);
  wait.stop();
  vi.advanceTimersByTime(5000);
  expect(shown()).toBe('');
});

test('in a log: nothing for a second, then a line for each change of state', async () => {
  const { early, late } = await work({});
  expect(early).toBe('');
  expect(late).toBe('wgraft: preparing big.wasm: rewriting, 10%\nwgraft: preparing big.wasm: checking\n');
});

test.each([{ quiet: true }, { json: true }])('nothing at all with %j', async (options) => {
  expect(await work(options)).toEqual({ early: '', late: '' });
});
