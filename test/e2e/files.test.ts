// The commands that work on files: prepare, build, inspect, verify. Goldens for success, for --json and for the main failure.

import { spawnSync } from 'node:child_process';
import { open, readFile, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { op, readModule } from '../../src/wasm/index.ts';
import { type AnswerProgram, answerProgram, sources } from '../support/answer-program.ts';
import { type Ended, type Sandbox, sandbox, transcript } from '../support/cli.ts';
import { fixtures } from '../support/fixtures.ts';
import { methods } from '../support/table-program.ts';
import { wat } from '../support/wat.ts';

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

/** A custom section full of zeros. */
function custom(name: string, sizeBytes: number): Uint8Array {
  const content = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.alloc(sizeBytes)]);
  const size = content.length;
  return Buffer.concat([Buffer.from([0, (size & 0x7f) | 0x80, (size >> 7) | 0x80, size >> 14]), content]);
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

  test('slots in the own table of a program: prepare counts them, inspect has the entries', async () => {
    await box.write('methods.wasm', wat(methods));
    await golden('prepare-table', 'prepare methods.wasm -o methods.slots.wasm');
    const { stdout } = await box.wgraft('inspect', 'methods.slots.wasm', '--verbose');
    const rows = stdout.split('\n').map((line) => line.trim().split(/ {2,}/).slice(0, 3));
    expect(rows.filter(([, , name]) => ['double', 'inner', 'dispatch'].includes(name ?? ''))).toEqual([
      ['1', '3 (table 1, 3)', 'double'],
      ['4', '- (small)', 'inner'],
      ['5', '0', 'dispatch'],
    ]);
    const { stdout: json } = await box.wgraft('inspect', 'methods.slots.wasm', '--json');
    const [first] = (JSON.parse(json) as { functions: unknown[] }).functions;
    expect(first).toEqual({ index: 1, name: 'double', type: '(i32) -> i32', slot: 3, tableEntries: [1, 3] });
  });

  test('says that a module shrinks, where what is left out is more than what is added', async () => {
    const dropped = custom('.debug_info', 10_000);
    await box.write('debug.wasm', Buffer.concat([program.kernel, dropped]));
    const { stdout } = await box.wgraft('prepare', 'debug.wasm', '-o', 'p3.wasm', '--slots', 'all');
    expect(stdout).toMatch(/^10\.4 kB -> 1\.42 kB \(-86\.\d%\) in /m);
  });

  test('--source-map: the new map stands beside the module, which names it', async () => {
    const kernel = wat('(module (func (export "f") (result i32) (i32.const 1)))');
    const constant = Uint8Array.of(op.i32Const, 1);
    const at = (wasm: Uint8Array): number =>
      Buffer.from(wasm).indexOf(constant, readModule(wasm).bodies[0]?.start);
    const mappings = encode([[[at(kernel), 0, 4, 2]]]);
    await box.write('one.wasm', kernel);
    await box.write('one.map', JSON.stringify({ version: 3, sources: ['one.ts'], names: [], mappings }));
    await box.write('text.map', 'no map');
    const ended = await golden('prepare-source-map', 'prepare one.wasm -o out.wasm --source-map one.map');
    expect(ended.code).toBe(0);
    const map = JSON.parse(await readFile(box.path('out.wasm.map'), 'utf8')) as { mappings: string };
    const prepared = await readFile(box.path('out.wasm'));
    expect(decode(map.mappings)).toEqual([[[at(prepared), 0, 4, 2]]]);
    expect(Buffer.from(prepared).includes('out.wasm.map')).toBe(true);
    expect((await golden('prepare-no-map', 'prepare one.wasm -o o.wasm --source-map text.map')).code).toBe(2);
    expect((await golden('prepare-map-stdout', 'prepare one.wasm -o - --source-map one.map')).code).toBe(2);
  });

  test('says which hook marked functions, and what the others lack', async () => {
    const marked = fixtures.find((fixture) => fixture.name === 'fentry');
    await box.write('fentry.wasm', (await marked?.compile('v1')) ?? '');
    const text =
      '(module (import "env" "my_hook" (func $h)) (func (export "f") (call $h)) (func (export "g")))';
    await box.write('hook.wasm', wat(text));
    expect((await golden('prepare-fentry', 'prepare fentry.wasm -o f.wasm')).code).toBe(0);
    expect((await golden('prepare-hook', 'prepare hook.wasm -o h.wasm --fentry my_hook')).code).toBe(0);
    expect((await golden('prepare-no-hook', 'prepare hook.wasm -o n.wasm --fentry mcount')).code).toBe(4);
  });

  test('never writes over a file that it read, under whatever name', async () => {
    await box.write('same.wasm', program.kernel);
    await symlink(box.path('same.wasm'), box.path('link.wasm'));
    for (const output of ['same.wasm', 'link.wasm']) {
      const { code, stderr } = await box.wgraft('prepare', 'same.wasm', '-o', output);
      expect([code, stderr]).toEqual([1, expect.stringContaining('it is one of the files that were read')]);
    }
    const source = sources.fix;
    await box.write('mine.wat', source);
    const build = ['build', '--target', 'app.slots.wasm', '--replace', 'answer=mine.wat', '-o', 'mine.wat'];
    expect((await box.wgraft(...build)).code).toBe(1);
    expect(await readFile(box.path('mine.wat'), 'utf8')).toBe(source);
    expect(await readFile(box.path('same.wasm'))).toEqual(Buffer.from(program.kernel));
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

describe('build with callbacks and rules', () => {
  const full =
    'build --target app.slots.wasm --replace answer=fix.wat --callbacks calls.wat -o full.wgp --cumulative --state 7=2 --state 1=0 --model leave-kernel';

  test('says what it calls back; inspect shows all of it', async () => {
    await box.write(
      'calls.wat',
      `(module (import "patch" "shadow_get_or_alloc" (func $shadow (param i32 i32 i32 i32 i32) (result i32)))
        (func $save (export "__wgraft_pre_patch") (result i32)
          (i32.eqz (call $shadow (i32.const 8) (i32.const 1) (i32.const 4) (i32.const 0) (i32.const 0))))
        (func $drop (export "__wgraft_post_unpatch")))`,
    );
    expect((await golden('build-full', full)).code).toBe(0);
    expect((await golden('inspect-full', 'inspect full.wgp -v')).code).toBe(0);
    const { stdout } = await box.wgraft('inspect', 'full.wgp', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      patch: {
        callbacks: { prePatch: '__wgraft_pre_patch', postUnpatch: '__wgraft_post_unpatch' },
        states: [
          { id: 1, version: 0 },
          { id: 7, version: 2 },
        ],
        cumulative: true,
        model: 'leave-kernel',
        memory: { sizeBytes: 0 },
      },
    });
    const json = await box.wgraft(...full.split(' '), '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ callbacks: { prePatch: 'save', postUnpatch: 'drop' } });
  });

  test('refuses a state that is none, an unknown model, and callbacks in another language', async () => {
    const to = 'build --target app.slots.wasm --replace answer=fix.wat -o x.wgp';
    expect((await golden('build-state', `${to} --state 7`)).code).toBe(2);
    expect((await golden('build-state-twice', `${to} --state 7=1 --state 7=2`)).code).toBe(2);
    expect((await golden('build-model', `${to} --model hope`)).code).toBe(2);
    expect((await golden('build-callbacks', `${to} --callbacks fix.js`)).code).toBe(2);
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

test('where a command has several files, the one that is no module is named', async () => {
  const commands = [
    'verify fix.wgp --target cut.wasm',
    'build --target text.wasm --replace answer=fix.wat -o x.wgp',
    'build --target app.slots.wasm --replace answer=fix.wat --symbols text.wasm -o x.wgp',
    'build app.wasm cut.wasm -o x.wgp',
    'diff text.wasm app.wasm',
  ];
  const ended = await Promise.all(commands.map((command) => box.wgraft(...command.split(' '))));
  expect(ended.map(({ code, stderr }) => [code, stderr.split('\n')[1]])).toEqual(
    commands.map((command) => [4, `  in ${/(cut|text)\.wasm/.exec(command)?.[0]}`]),
  );
  const { stdout } = await box.wgraft('verify', 'fix.wgp', '--target', 'text.wasm', '--json');
  expect(JSON.parse(stdout).error).toMatchObject({ code: 'WGRAFT_ERR_WASM_MALFORMED', file: 'text.wasm' });
});

describe.skipIf(process.platform !== 'linux')('a full disk', () => {
  test('is told as any other failure, and with --json as a document on stderr', async () => {
    const reason = 'cannot write standard output: no space is left';
    expect(await intoFullDisk('inspect fix.wgp')).toEqual({
      code: 1,
      stderr: `wgraft: ${reason}\n  code: WGRAFT_ERR_FILE\n`,
    });
    expect((await intoFullDisk('prepare app.wasm -o -')).stderr).toContain(reason);
    const { code, stderr } = await intoFullDisk('inspect fix.wgp --json');
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ v: 1, error: { code: 'WGRAFT_ERR_FILE', message: reason } });
  });
});

/** Runs a command line with stdout on a device that is always full. */
async function intoFullDisk(command: string): Promise<{ code: number | null; stderr: string }> {
  await using full = await open('/dev/full', 'w');
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [main, ...command.split(' ')], {
    cwd: box.folder,
    stdio: ['ignore', full.fd, 'pipe'],
    encoding: 'utf8',
  });
  return { code: status, stderr };
}
