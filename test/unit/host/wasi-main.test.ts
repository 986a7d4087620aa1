// A WASI program whose `main` is changed: it is active until the program ends, so the patch waits, and says for what.

import { expect, test } from 'vitest';
import { prepare } from '../../../src/prepare/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { patchOf, sourcesOf } from '../../support/two-builds.ts';
import { startWasi } from '../../support/wasi-process.ts';

const source = `#include <stdio.h>
  __attribute__((noinline)) void say(int version, const char *text) { printf("v%d %s", version, text); fflush(stdout); }
  int main(void) {
    char line[64];
    while (fgets(line, sizeof line, stdin))
-     say(1, line);
+     say(2, line);
    return 0;
  }`;

// - a patch from two builds replaces main, which waits for input: blocking names main and the way to it
// - it is taken back, and the program goes on; with a model that asks for less the patch goes on, and main stays what it was
test('blocks, and blocking says why', async () => {
  const compile = (text: string): Promise<Uint8Array> => compileC(text, { flags: ['-Wl,--emit-relocs'] });
  const [old, next] = await Promise.all(sourcesOf(source).map(compile));
  if (old === undefined || next === undefined) throw new Error('two builds');
  const { bytes: patch, report } = await patchOf({ old, new: next });
  expect(report.functions.map((f) => f.name)).toEqual(['__original_main']);
  await using app = await startWasi((await prepare(old)).bytes, { name: 'looper' });
  const ask = async (line: string, answer: string): Promise<void> => {
    app.stdin.write(`${line}\n`);
    await expect.poll(() => app.output.stdout, { timeout: 30_000, interval: 5 }).toContain(`${answer}\n`);
  };
  await ask('one', 'v1 one');
  await expect(app.operations.apply(patch, { timeoutMs: 1500 })).rejects.toMatchObject({
    code: 'WGRAFT_ERR_TRANSITION_STALLED',
    message: 'transition stalled: 1 of 1 instances still run "__original_main"',
  });
  const [blocking] = await app.operations.blocking();
  expect(blocking).toMatchObject({ instance: 1, state: 'running', functions: ['__original_main'] });
  expect(blocking?.stack.slice(0, 3)).toEqual(['_start', '__original_main', 'fgets']);
  expect(await app.operations.revert(undefined)).toMatchObject({ complete: true });
  await ask('two', 'v1 two');
  expect(await app.operations.apply(patch, { model: 'immediate' })).toMatchObject({ complete: true });
  await ask('three', 'v1 three');
});
