// A program under `wgraft run` that is patched from another process, through the real command line; and how it ends.

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Running, type Sandbox, sandbox } from '../support/cli.ts';
import { compileC, compileCFile } from '../support/compile-c.ts';

/** Bound and pace of waiting; the machine may be busy. */
const soon = { timeout: 30_000, interval: 5 };

const lines = (server: Running): string[] => server.output.stdout.split('\n').slice(0, -1);

async function ask(server: Running, request: string): Promise<string | undefined> {
  const before = lines(server).length;
  server.write(`${request}\n`);
  await expect.poll(() => lines(server).length, soon).toBe(before + 1);
  return lines(server).at(-1);
}

/** Runs commands that must work. */
async function all(box: Sandbox, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    expect(await box.wgraft(...command.split(' ')), command).toMatchObject({ code: 0 });
  }
}

async function json(box: Sandbox, ...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr } = await box.wgraft(...args, '--json');
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`wgraft ${args.join(' ')} printed no JSON:\n${stdout}${stderr}`);
  }
}

// - an unprepared module is run; requests; apply; the bug is gone and the state is there; revert; the bug is back
test('a server is patched while it waits for requests, and keeps its state', async () => {
  await using box = await sandbox();
  await box.write('inventory.wasm', await compileCFile('wasm-fixtures/inventory/v1.c'));
  await box.write('fix.c', await readFile('wasm-fixtures/inventory/fix.c'));
  await all(
    box,
    'prepare inventory.wasm -o inventory.slots.wasm',
    'build --target inventory.slots.wasm --replace check_quantity=fix.c -o fix.wgp',
  );
  const server = box.start('run', 'inventory.wasm');
  expect(await ask(server, 'ADD apple 3')).toBe('1 OK apple 3');
  expect(await ask(server, 'TAKE apple 5')).toBe('2 ERR not enough in stock');
  expect(await ask(server, 'TAKE apple -5')).toBe('3 OK apple 8');

  expect(await box.wgraft('apply', 'fix.wgp', 'inventory')).toMatchObject({ code: 0, stderr: '' });
  expect(await ask(server, 'TAKE apple -5')).toBe('4 ERR quantity must be at least 1');
  expect(await ask(server, 'TAKE apple 2')).toBe('5 OK apple 6');
  expect(await json(box, 'status')).toMatchObject({
    target: { name: 'inventory', pid: server.pid },
    programs: [{ name: 'inventory', universe: 1, patches: [{ name: 'fix', state: 'applied' }] }],
  });

  expect(await box.wgraft('revert', 'fix', 'inventory')).toMatchObject({ code: 0, stderr: '' });
  expect(await ask(server, 'TAKE apple -5')).toBe('6 OK apple 11');
  expect(await ask(server, 'TOTAL')).toBe('7 OK 1 items 11 units 7 requests');
  server.child.stdin?.end();
  expect(await server.ended).toMatchObject({ code: 0, signal: null });
  expect(server.output.stderr).not.toMatch(/warning/i);
});

test('a patch for a program that computes without a host call stalls, and says why', async () => {
  await using box = await sandbox();
  const source = `#include <stdio.h>
    __attribute__((noinline, used)) int answer(void) { return 1; }
    int main(void) { puts("spins"); fflush(stdout); for (volatile int i = 0;; i++); }`;
  await box.write('spinner.wasm', await compileC(source));
  await box.write('two.wat', '(module (func (export "answer") (result i32) (i32.const 2)))');
  await all(
    box,
    'prepare spinner.wasm --slots all -o spinner.slots.wasm',
    'build --target spinner.slots.wasm --replace answer=two.wat -o two.wgp',
  );
  const spinner = box.start('run', 'spinner.slots.wasm');
  await spinner.says('spins');
  await expect
    .poll(() => json(box, 'status'), soon)
    .toMatchObject({ programs: [{ busyMs: expect.any(Number) }] });
  expect((await box.wgraft('status')).stdout).toMatch(/settled, busy: no answer for \S+/);
  const { code, stderr } = await box.wgraft('apply', 'two.wgp', 'spinner', '--timeout', '1s');
  expect(stderr).toMatch(
    /^wgraft: transition stalled: "spinner" has made no host call for \d+\.\ds, .*\n {2}instance 1 {3}no host call for \S+\n {2}hint/m,
  );
  expect(code).toBe(5);
  // The patch waits for the next host call, whoever else waits for it.
  expect((await box.wgraft('status')).stdout).toMatch(/apply two: 0\/1 switched in \S+, busy: no answer/);
  expect((await box.wgraft('check')).code).toBe(1);
  expect((await box.wgraft('check', '--stalled-after', '1ms')).code).toBe(5);
});

test('a trap and what cannot be run have their exit codes and say what happened', async () => {
  await using box = await sandbox();
  await box.write('trap.wasm', await compileC('int main(void) { __builtin_trap(); }'));
  await box.write('library.wasm', await compileC('int unused;', { flags: ['-mexec-model=reactor'] }));
  const trapped = await box.wgraft('run', 'trap.wasm');
  expect(trapped).toMatchObject({ code: 1, stdout: '' });
  expect(trapped.stderr).toMatch(
    /^wgraft: "trap" trapped: unreachable\n {2}at \S+_main \(.*\n( {2}at .*\n)+ {2}code: WGRAFT_ERR_PROGRAM_TRAPPED$/m,
  );
  const library = await box.wgraft('run', 'library.wasm');
  expect(library).toMatchObject({ code: 2, stdout: '' });
  expect(library.stderr).toContain('"library" is not a WASI command: it exports "_initialize"');
});

test('a signal ends a program whose output nobody reads, and leaves no socket', async () => {
  await using box = await sandbox();
  await box.write(
    'writer.wasm',
    await compileC('#include <stdio.h>\nint main(void) { for (;;) puts("more"); }'),
  );
  const writer = box.start('run', 'writer.wasm');
  await writer.says('can be patched');
  writer.child.stdout?.pause();
  await delay(200); // fills the pipe; the test holds however far that got
  const signal = new Promise((resolve) => writer.child.once('exit', (_, by) => resolve(by)));
  writer.child.kill('SIGTERM');
  expect(await signal).toBe('SIGTERM');
  writer.child.stdout?.resume();
  expect(await json(box, 'ps')).toMatchObject({ programs: [], removed: [] });
});

test('where its socket cannot be opened, nothing of the program runs', async () => {
  await using box = await sandbox();
  await box.write(
    'hello.wasm',
    await compileC('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }'),
  );
  await box.write('taken', 'a file where the socket folder should be');
  const how = { env: { WGRAFT_SOCKET_DIR: box.path('taken') } };
  const { code, stdout, stderr } = await box.wgraftWith(how, 'run', 'hello.wasm');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('WGRAFT_ERR_CONTROL_FOLDER');
});
