// The commands that work on files: prepare, build, inspect, verify. Goldens for success, for --json and for the main failure.

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnswerProgram, answerProgram, sources } from '../support/answer-program.ts';
import { type Ended, type Sandbox, sandbox, transcript } from '../support/cli.ts';

let box: Sandbox;
let program: AnswerProgram;

beforeAll(async () => {
  box = await sandbox();
  program = await answerProgram();
  await box.write('app.wasm', program.kernel);
  await box.write('app.slots.wasm', program.prepared);
  await box.write('fix.wgp', program.fix);
  await box.write('other.wgp', (await answerProgram(3)).fix);
  await box.write('fix.wat', sources.fix);
  await box.write('cut.wasm', program.kernel.subarray(0, 100));
  await box.write('text.wasm', 'not a module\n');
});
afterAll(() => box[Symbol.asyncDispose]());

/** Runs a command line as the goldens show it. */
async function golden(name: string, command: string): Promise<Ended> {
  const ended = await box.wgraft(...command.split(' '));
  await expect(transcript(`wgraft ${command}`, ended, box)).toMatchFileSnapshot(`golden/files/${name}.txt`);
  return ended;
}

describe('prepare', () => {
  test('writes a prepared module and says what it did', async () => {
    const ended = await golden('prepare', 'prepare app.wasm -o p.wasm --slots all');
    expect(ended.code).toBe(0);
    expect(await readFile(box.path('p.wasm'))).toEqual(Buffer.from(program.prepared));
  });

  test('--json', async () => {
    const { stdout } = await golden('prepare-json', 'prepare app.wasm -o p2.wasm --slots all --json');
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, functions: 4, slots: 4, policy: 'all' });
  });

  test('to stdout leaves stdout to the module', async () => {
    const { code, stderr } = await box.wgraft('prepare', 'app.wasm', '-o', '-');
    expect(code).toBe(0);
    expect(stderr).toContain('4 functions');
  });

  test('refuses a module that is prepared already, a truncated one, no module, no file', async () => {
    expect((await golden('prepare-twice', 'prepare app.slots.wasm -o x.wasm')).code).toBe(3);
    expect((await golden('prepare-truncated', 'prepare cut.wasm -o x.wasm')).code).toBe(4);
    expect((await golden('prepare-text', 'prepare text.wasm -o x.wasm --json')).code).toBe(4);
    expect((await golden('prepare-missing', 'prepare none.wasm -o x.wasm')).code).toBe(1);
    expect((await golden('prepare-unwritable', 'prepare app.wasm -o none/x.wasm')).code).toBe(1);
    await expect(readFile(box.path('x.wasm'))).rejects.toThrow('ENOENT');
  });
});

describe('build', () => {
  test('writes a patch and says what it replaces', async () => {
    const args = '--target app.slots.wasm --replace answer=fix.wat -o b.wgp';
    expect((await golden('build', `build ${args}`)).code).toBe(0);
    expect((await box.wgraft('verify', 'b.wgp', '--target', 'app.slots.wasm')).code).toBe(0);
  });

  test('--json', async () => {
    const args = '--target app.slots.wasm --replace answer=fix.wat -o fix.wgp --cve CVE-2026-1 --json';
    const { stdout } = await golden('build-json', `build ${args}`);
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, name: 'fix', functions: [{ name: 'answer' }] });
  });

  test('refuses an unknown function, and a replacement that is none', async () => {
    const to = '--target app.slots.wasm -o x.wgp';
    expect((await golden('build-unknown', `build ${to} --replace anser=fix.wat`)).code).toBe(4);
    expect((await golden('build-usage', `build ${to} --replace fix.wat`)).code).toBe(2);
    expect((await golden('build-nothing', `build ${to}`)).code).toBe(2);
    expect((await golden('build-kind', `build ${to} --replace answer=fix.txt`)).code).toBe(2);
  });
});

describe('inspect', () => {
  test('shows a module, a prepared module and a patch', async () => {
    await golden('inspect-module', 'inspect app.wasm');
    await golden('inspect-prepared', 'inspect app.slots.wasm -v');
    await golden('inspect-patch', 'inspect fix.wgp');
  });

  test('--json', async () => {
    const { stdout } = await box.wgraft('inspect', 'fix.wgp', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      kind: 'patch',
      patch: { name: 'fix', replaces: [{ name: 'answer', index: 3, slot: 0, type: '() -> i32' }] },
      secondReader: { kind: 'agrees' },
    });
  });

  test('reads stdin', async () => {
    const ended = await box.wgraftWith({ input: program.fix }, 'inspect', '-', '--json');
    expect(JSON.parse(ended.stdout)).toMatchObject({ kind: 'patch', file: '-' });
  });

  test('refuses what is no module', async () => {
    expect((await golden('inspect-text', 'inspect text.wasm')).code).toBe(4);
  });
});

describe('verify', () => {
  test('accepts the patch of this program', async () => {
    expect((await golden('verify', 'verify fix.wgp --target app.slots.wasm')).code).toBe(0);
    const { stdout } = await box.wgraft('verify', 'fix.wgp', '--target', 'app.slots.wasm', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, patch: { name: 'fix', functions: ['answer'] } });
  });

  test('refuses the patch of another program, and a target without slots', async () => {
    expect((await golden('verify-other', 'verify other.wgp --target app.slots.wasm')).code).toBe(4);
    expect((await golden('verify-unprepared', 'verify fix.wgp --target app.wasm')).code).toBe(4);
    expect((await golden('verify-json', 'verify other.wgp --target app.slots.wasm --json')).code).toBe(4);
  });
});
