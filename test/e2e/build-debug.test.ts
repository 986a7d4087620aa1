// Builds with debug information on the command line: where replaced functions were written, and structs whose layout changed.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sandbox, sandbox } from '../support/cli.ts';
import { compileC } from '../support/compile-c.ts';

const source = (limit: number, more: string): string => `#include <stdio.h>
#include <stdlib.h>
struct reader { int count;${more} };
struct reader *reader;

__attribute__((noinline)) static int limit(int n) {
  return n > ${limit} ? ${limit} : n;
}

int main(void) {
  char line[8];
  reader = malloc(sizeof *reader);
  while (fgets(line, sizeof line, stdin)) printf("%d %d\\n", limit(line[0] - '0'), ++reader->count);
}
`;

let box: Sandbox;
beforeAll(async () => {
  box = await sandbox();
  const builds = { old: source(5, ''), new: source(7, ''), grown: source(7, ' int failures;') };
  for (const [name, text] of Object.entries(builds))
    await box.write(`${name}.wasm`, await compileC(text, { flags: ['-g', '-Wl,--emit-relocs'] }));
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

const build = (next: string, ...more: readonly string[]): ReturnType<Sandbox['wgraft']> =>
  box.wgraft('build', 'old.wasm', next, '-o', 'fix.wgp', '--slots', 'all', ...more);

test('build and diff say in which file and line', async () => {
  const { code, stdout, stderr } = await build('new.wasm');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('\n  replaces limit (i32) -> i32   from main.c:6\n');
  const json = await build('new.wasm', '--json');
  expect(JSON.parse(json.stdout).functions).toMatchObject([
    { name: 'limit', source: { file: 'main.c', line: 6 } },
  ]);
  const diff = await box.wgraft('diff', 'old.wasm', 'new.wasm', '--slots', 'all');
  expect(diff.stdout).toBe(`1 function changed
  limit   main.c:6
    - i32.const 5
    + i32.const 7
`);
});

test('a changed layout is refused with what to do, which then works', async () => {
  const found =
    'the layout of struct reader changed, and objects that are alive have the old one: ' +
    'it grew at its end from 4 to 8 bytes: objects that are alive have no room for "failures"';
  const hint =
    'if none is alive when the patch is applied: --allow-layout reader; else make the fix without changing the layout, or restart';
  const refused = await build('grown.wasm');
  expect({ code: refused.code, stderr: refused.stderr }).toEqual({
    code: 4,
    stderr: `wgraft: ${found}\n  hint: ${hint}\n  code: WGRAFT_ERR_LAYOUT_CHANGED\n`,
  });
  const diff = await box.wgraft('diff', 'old.wasm', 'grown.wasm', '--json');
  expect(diff.code).toBe(4);
  expect(JSON.parse(diff.stdout).refused).toEqual([
    { code: 'WGRAFT_ERR_LAYOUT_CHANGED', message: found, hint },
  ]);

  const allowed = await build('grown.wasm', '--allow-layout', 'reader');
  expect(allowed.code).toBe(0);
  expect(allowed.stderr).toContain(
    'wgraft: the changed layout of struct reader was allowed: it grew at its end',
  );
  expect((await box.wgraft('diff', 'old.wasm', 'grown.wasm', '--allow-layout', 'all')).code).toBe(0);
  const byHand = await box.wgraft(
    'build',
    '--target',
    'x',
    '--replace',
    'f=f.c',
    '-o',
    'x',
    '--allow-layout',
    'all',
  );
  expect(byHand.code).toBe(2);
});
