// Patches from two builds on the command line: diff and build, from modules and straight from C, and the patch at work in a
// program that runs.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { op } from '../../src/wasm/index.ts';
import { type Sandbox, sandbox } from '../support/cli.ts';
import { compileC } from '../support/compile-c.ts';
import { body, generateModule } from '../support/generated-module.ts';

const source = (limit: number, greeting: string): string => `
#include <stdio.h>
static int count;
__attribute__((noinline)) static int limit(int n) { return n > ${limit} ? ${limit} : n; }
__attribute__((noinline)) static void greet(int n) { printf("${greeting} %d %d\\n", limit(n), ++count); }
// Since two functions call greet, it is not where the main loop may be, and what it calls needs no slot.
__attribute__((noinline)) static void greetAll(void) { for (int n = 1; n < 4; n++) greet(n); }
int main(void) {
  char line[8];
  while (fgets(line, sizeof line, stdin)) {
    if (line[0] == 'a') greetAll();
    else greet(line[0] - '0');
    fflush(stdout);
  }
}
`;
const old = source(5, 'hello');
const fixed = source(7, 'good day');

let box: Sandbox;
beforeAll(async () => {
  box = await sandbox();
  const flags = ['-Wl,--emit-relocs'];
  await box.write('old.wasm', await compileC(old, { flags }));
  await box.write('new.wasm', await compileC(fixed, { flags }));
  await box.write('old.c', old);
  await box.write('new.c', fixed);
  await box.write('broken.c', 'int main(void) { return x; }\n');
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

describe('diff', () => {
  test('shows what changed, with the first instructions that differ', async () => {
    const { code, stdout, stderr } = await box.wgraft('diff', 'old.wasm', 'new.wasm', '--slots', 'all');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'wgraft: no debug information: struct layouts were not compared; build both with -g\n',
    });
    expect(stdout).toBe(`2 functions changed
  greet
    - i32.const &.L.str ("hello %d %d\\n")
    + i32.const &.L.str ("good day %d %d\\n")
  limit
    - i32.const 5
    + i32.const 7
`);
  });

  test('--json is the same as data', async () => {
    const { stdout } = await box.wgraft('diff', 'old.wasm', 'new.wasm', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      old: 'old.wasm',
      unchanged: false,
      changed: [{ name: 'greet' }, { name: 'limit', hasSlot: false }],
      refused: [],
    });
  });

  test('large modules, and a line before the comparison', async () => {
    const large = (constant: number): Uint8Array =>
      generateModule({
        bodies: [body((out) => out.u8(op.i32Const).s32(constant))],
        run: 0,
        data: new Map([[1024, new Uint8Array(5_000_000).fill(1)]]),
      });
    await box.write('large-1.wasm', large(1));
    await box.write('large-2.wasm', large(2));
    expect(await box.wgraft('diff', 'large-1.wasm', 'large-2.wasm')).toMatchObject({
      code: 0,
      stdout: '1 function changed\n  run\n    - i32.const 1\n    + i32.const 2\n',
      stderr: `wgraft: comparing large-1.wasm with large-2.wasm, 5 MB
wgraft: no debug information: struct layouts were not compared; build both with -g
`,
    });
    const built = await box.wgraft('build', 'large-1.wasm', 'large-2.wasm', '-o', 'large.wgp');
    expect(built).toMatchObject({ code: 0, stderr: expect.stringContaining('comparing large-1.wasm with') });
    const quiet = await box.wgraft('build', 'large-1.wasm', 'large-2.wasm', '-o', 'large.wgp', '--quiet');
    expect(quiet).toMatchObject({ code: 0, stderr: '' });
  });

  test('ends with 3 where nothing changed, 4 where nothing can be built, 1 without a file', async () => {
    expect(await box.wgraft('diff', 'old.wasm', 'old.wasm')).toMatchObject({
      code: 3,
      stdout: 'nothing changed\n',
    });
    await box.write('data.c', old.replace('int count;', 'int count = 9;'));
    const refused = await box.wgraft('diff', 'old.c', 'data.c');
    expect(refused.code).toBe(4);
    expect(refused.stdout).toContain(
      'no patch can be built\n  the variable "count" starts with another value',
    );
    expect((await box.wgraft('diff', 'old.wasm', 'none.wasm')).code).toBe(1);
    expect((await box.wgraft('diff', 'old.wasm', 'new.c')).code).toBe(2);
  });
});

describe('build', () => {
  test('a patch from two modules changes the running program, which keeps its state', async () => {
    const made = await box.wgraft('build', 'old.wasm', 'new.wasm', '-o', 'fix.wgp', '--slots', 'all');
    expect(made.code).toBe(0);
    expect((await box.wgraft('prepare', 'old.wasm', '-o', 'app.wasm', '--slots', 'all')).code).toBe(0);
    // A second way to name the same target gives the same patch.
    await box.wgraft(
      'build',
      'old.wasm',
      'new.wasm',
      '-o',
      'again.wgp',
      '--name',
      'fix',
      '--target',
      'app.wasm',
    );
    const ids = await Promise.all(
      ['fix.wgp', 'again.wgp'].map(async (file) => {
        return JSON.parse((await box.wgraft('inspect', file, '--json')).stdout).patch.id;
      }),
    );
    expect(ids[0]).toBe(ids[1]);
    const program = box.start('run', 'app.wasm');
    program.write('9\n');
    await program.says('hello 5 1\n');
    expect((await box.wgraft('apply', 'fix.wgp', 'app')).code).toBe(0);
    program.write('9\n');
    await program.says('good day 7 2\n');
    expect((await box.wgraft('revert', 'fix', 'app')).code).toBe(0);
    program.write('9\n');
    await program.says('hello 5 3\n');
  });

  test('straight from C', async () => {
    const made = await box.wgraft('build', 'old.c', 'new.c', '-o', 'c.wgp', '--cve', 'CVE-2026-1', '--json');
    expect(made.code).toBe(0);
    expect(JSON.parse(made.stdout)).toMatchObject({ v: 1, name: 'c', added: ['limit'] });
  });

  test('ends with 3 where nothing changed, and 4 with the compiler’s own words', async () => {
    expect((await box.wgraft('build', 'old.c', 'old.c', '-o', 'x.wgp')).code).toBe(3);
    const broken = await box.wgraft('build', 'old.c', 'broken.c', '-o', 'x.wgp');
    expect(broken.code).toBe(4);
    expect(broken.stderr).toContain('wgraft: broken.c does not compile:\n');
    expect(broken.stderr).toContain("use of undeclared identifier 'x'");
  });

  test.each([
    ['one build', ['old.wasm'], 'name two builds, the old one and the new one'],
    ['none', [], 'name two builds, or a prepared module with --target'],
    ['--replace', ['old.wasm', 'new.wasm', '--replace', 'f=f.wat'], '--replace is for patches by hand'],
    ['both targets', ['old.wasm', 'new.wasm', '--slots', 'all', '--target', 'x'], '--target and --slots say'],
    [
      '--slots by hand',
      ['--target', 'x', '--replace', 'f=f.wat', '--slots', 'all'],
      '--slots is for patches',
    ],
  ])('wrong usage: %s', async (_, args, message) => {
    const { code, stderr } = await box.wgraft('build', ...args, '-o', 'x.wgp');
    expect({ code, says: stderr.includes(message) }).toEqual({ code: 2, says: true });
  });
});
