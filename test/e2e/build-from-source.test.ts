// A source tree and a diff in, a patch out. The build command is a Node script that calls @yowasp/clang: no system compiler.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sandbox, sandbox } from '../support/cli.ts';

const compiler = import.meta.resolve('@yowasp/clang');
const script = `
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { commands } from ${JSON.stringify(compiler)};
await appendFile(process.env.BUILDS, 'build\\n');
const files = { 'main.c': await readFile('main.c', 'utf8'), 'limit.h': await readFile('limit.h', 'utf8') };
const out = await commands.clang(['-O2', '-Wl,--emit-relocs', 'main.c', '-o', 'out.wasm'], files);
await writeFile('out.wasm', out['out.wasm']);
`;
const source = `#include <assert.h>
#include <stdio.h>
#include "limit.h"
__attribute__((noinline)) static int checked(int n) {
  assert(n >= 0);
  if (n > 1000) printf("line %d: %d\\n", __LINE__, n);
  return limit(n);
}
int main(void) {
  int n;
  while (scanf("%d", &n) == 1) {
    printf("%d\\n", checked(n));
    fflush(stdout);
  }
}
`;
const diff = `--- a/main.c
+++ b/main.c
@@ -1,3 +1,4 @@
+/* A line more, so that the assertion and __LINE__ stand on another. */
 #include <assert.h>
 #include <stdio.h>
 #include "limit.h"
--- a/limit.h
+++ b/limit.h
@@ -1 +1 @@
-__attribute__((noinline)) static int limit(int n) { return n > 5 ? 5 : n; }
+__attribute__((noinline)) static int limit(int n) { return n > 7 ? 7 : n; }
`;

let box: Sandbox;
const make = `"${process.execPath}" build.mjs`;

beforeAll(async () => {
  box = await sandbox();
  await mkdir(box.path('app'));
  await box.write('app/main.c', source);
  await box.write('app/limit.h', (diff.match(/^-(__attr.*)$/m)?.[1] ?? '').concat('\n'));
  await box.write('app/build.mjs', script);
  await box.write('fix.diff', diff);
  await box.write('wrong.diff', diff.replaceAll('n > 5', 'n > 6'));
});
afterAll(() => box[Symbol.asyncDispose]());

const build = (...args: readonly string[]): ReturnType<Sandbox['wgraft']> =>
  box.wgraftWith(
    { env: { BUILDS: box.path('builds') } },
    ...['build', '--source', 'app', '--make', make, '--wasm', 'out.wasm', '-o', 'fix.wgp', '--slots', 'all'],
    ...args,
  );
const builds = async (): Promise<number> =>
  (await readFile(box.path('builds'), 'utf8').catch(() => '')).split('\n').length - 1;

// - a diff that does not fit is refused after the old build; - with the right diff it is another job, done from the start;
// - done once more, nothing is built; - the patch replaces what changed, not what has only moved to another line
test('builds before and after the diff, keeps what it built, and goes on from there', async () => {
  const wrong = await build('--patch', 'wrong.diff', '--work', 'work');
  expect({ code: wrong.code, builds: await builds() }).toEqual({ code: 1, builds: 1 });
  expect(wrong.stderr).toContain('wgraft: cannot apply the diff: `patch --dry-run');
  expect(wrong.stderr).toContain('WGRAFT_ERR_STEP_FAILED');

  const made = await build('--patch', 'fix.diff', '--work', 'work', '--json');
  expect({ code: made.code, builds: await builds() }).toEqual({ code: 0, builds: 3 });
  const { functions, added } = JSON.parse(made.stdout);
  expect({ functions: functions.map((f: { name: string }) => f.name), added }).toEqual({
    functions: ['limit'],
    added: [],
  });

  const again = await build('--patch', 'fix.diff', '--work', 'work', '--json');
  expect({ id: JSON.parse(again.stdout).id, builds: await builds() }).toEqual({
    id: JSON.parse(made.stdout).id,
    builds: 3,
  });
  // The source itself is left alone.
  expect(await readFile(box.path('app/main.c'), 'utf8')).toBe(source);
}, 120_000);

test('a command that fails is shown with its output, and a folder with other things is not touched', async () => {
  const failed = await box.wgraft(
    ...['build', '--source', 'app', '--patch', 'fix.diff', '--wasm', 'out.wasm', '-o', 'x.wgp'],
    ...['--make', 'echo no rule; exit 2', '--work', 'work2'],
  );
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain(
    'wgraft: cannot build the old program: `echo no rule; exit 2` ended with 2\nno rule\n',
  );
  await mkdir(box.path('mine'));
  await writeFile(box.path('mine/notes.txt'), 'keep');
  const other = await build('--patch', 'fix.diff', '--work', 'mine');
  expect({ code: other.code, says: other.stderr.includes('holds other things') }).toEqual({
    code: 2,
    says: true,
  });
  expect(await readFile(box.path('mine/notes.txt'), 'utf8')).toBe('keep');
  expect((await build()).stderr).toContain('--source needs --patch, --make and --wasm');
  expect((await build('--patch', 'fix.diff', '--work', 'app/work')).stderr).toContain('is inside the source');
});
