// A process that runs one WASI program, as `wgraft run` does, and lets the test that forked it call the operations by IPC:
//   { id, call, args } -> { id, result } | { id, error };  { started: true };  { exit }, the last message.
// Arguments: the prepared module's file, then RunOptions as JSON.

import { readFileSync } from 'node:fs';
import { WgraftError } from '../../src/errors.ts';
import type { RunOptions } from '../../src/host/wasi/protocol.ts';
import { runWasi } from '../../src/host/wasi/run.ts';
import type { TransitionOptions } from '../../src/runtime/index.ts';

export interface Call {
  readonly id: number;
  readonly call: 'status' | 'blocking' | 'verify' | 'apply' | 'revert' | 'force' | 'terminate';
  readonly args: readonly unknown[];
}

const [file = '', options = ''] = process.argv.slice(2);
const say = (message: object): void => void process.send?.(message);
// A test that timed out ends nothing itself: the program ends with the process that forked it.
const abandoned = (): void => process.exit(70);
process.once('disconnect', abandoned);
const asJson = (error: unknown): unknown => (WgraftError.is(error) ? error.toJSON() : String(error));

try {
  const program = await runWasi(readFileSync(file), JSON.parse(options) as RunOptions);
  const { operations, terminate } = program;
  const calls: Record<Call['call'], (...args: never[]) => Promise<unknown>> = {
    status: () => operations.status(),
    blocking: () => operations.blocking(),
    verify: (patch: Uint8Array) => operations.verify(patch),
    apply: (patch: Uint8Array, o?: TransitionOptions) => operations.apply(patch, o),
    revert: (patch: string | undefined, o?: TransitionOptions) => operations.revert(patch, o),
    force: (o?: TransitionOptions) => operations.force(o),
    terminate,
  };
  const answers: Promise<void>[] = [];
  operations.subscribe((event) => say({ event }));
  process.on('message', ({ id, call, args }: Call) => {
    const answer = calls[call](...(args as never[])).then(
      (result) => say({ id, result }),
      (error: unknown) => say({ id, error: asJson(error) }),
    );
    answers.push(answer);
  });
  say({ started: true });
  const exit = await program.exited;
  await Promise.all(answers);
  say({ exit });
  process.exitCode = 'code' in exit ? exit.code : 70;
} catch (error) {
  say({ exit: { refused: asJson(error) } });
  process.exitCode = 2;
}
process.off('disconnect', abandoned);
if (process.connected) process.disconnect?.();
