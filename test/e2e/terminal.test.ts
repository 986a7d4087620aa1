// What a person sees: the command on a terminal of its own, which `script` (util-linux) makes. Skipped where there is none.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AnswerProgram, answerProgram } from '../support/answer-program.ts';
import { type Sandbox, sandbox } from '../support/cli.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const hasTerminals = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

let program: AnswerProgram;
beforeAll(async () => {
  program = await answerProgram();
});

async function start(): Promise<Sandbox> {
  const box = await sandbox();
  await box.write('app.wasm', program.prepared);
  await box.write('fix.wgp', program.fix);
  return box;
}

/**
 * Runs a command line on a terminal, to its end. Returns all that the terminal was sent, and the exit code.
 * @param pressed what is pressed when the terminal has been sent `when`.
 */
async function onTerminal(
  box: Sandbox,
  command: string,
  { when, pressed }: { when?: string; pressed?: string } = {},
): Promise<{ text: string; code: number | null }> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, TERM: 'xterm', WGRAFT_SOCKET_DIR: box.sockets };
  const line = `'${process.execPath}' '${main}' ${command}`;
  const terminal = spawn('script', ['-qec', line, '/dev/null'], { cwd: box.folder, env });
  let text = '';
  let waiting = when;
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (waiting === undefined || !text.includes(waiting)) return;
    waiting = undefined;
    terminal.stdin.write(pressed);
  });
  const [code] = await once(terminal, 'close');
  return { text: text.replaceAll('\r\n', '\n'), code };
}

describe.skipIf(!hasTerminals)('on a terminal', () => {
  test('a patch that is applied is two lines, and nothing of a spinner before them', async () => {
    await using box = await start();
    const host = await box.host('app.wasm', 'api');
    const { text, code } = await onTerminal(box, 'apply fix.wgp');
    expect(code).toBe(0);
    // On a slow machine there was a spinner, and its line has been cleared.
    expect(stripVTControlCharacters(text.split('\x1b[0K').at(-1) ?? '')).toMatch(
      new RegExp(
        `^fix -> api \\(pid ${host.pid}\\) {3}1 function, universe 0 -> 1\nmigrated 1/1 instances in \\d+ms\n$`,
      ),
    );
  });

  // The patch replaces the program's main loop, which is always active: apply waits until its time-out.
  test('a wait that takes long is a line that is drawn again and again, and goes away before what comes of it', async () => {
    await using box = await start();
    await box.write('serve.wgp', program.serve);
    const run = box.start('run', 'app.wasm', '--name', 'api');
    await run.says('can be patched');
    run.write('a');
    await run.says('1\n');
    const { text, code } = await onTerminal(box, 'apply serve.wgp --timeout 3s');
    expect(code).toBe(5);
    const at = text.indexOf('\x1b[31mwgraft:');
    const [waiting, message] = [text.slice(0, at), stripVTControlCharacters(text.slice(at))];
    expect(stripVTControlCharacters(waiting)).toMatch(/^(\S apply in api \(pid \d+\): \w+, 0 switched){2,}$/);
    // It cleared the line last, with the cursor at its start.
    expect(stripVTControlCharacters(waiting.split('\x1b[1G\x1b[0K').at(-1) ?? '?')).toBe('');
    expect(message).toMatch(/^wgraft: .*stalled.*\n {2}instance 1 /);
  });

  test('Ctrl-C takes the line away and gives the cursor back, and nothing is written', async () => {
    await using box = await start();
    const big = createRequire(import.meta.url).resolve('esbuild-wasm/esbuild.wasm');
    const hidden = '\x1b[?25l';
    // Long enough for the other engine, on any machine.
    const command = `prepare '${big}' -o out.wasm --engine binaryen`;
    const { text, code } = await onTerminal(box, command, { when: hidden, pressed: '\x03' });
    expect(code).toBe(128 + constants.signals.SIGINT);
    expect(text.slice(text.lastIndexOf(hidden))).toContain('\x1b[?25h');
    expect(text.endsWith('\x1b[0K')).toBe(true);
    expect(await readdir(box.folder)).not.toContain('out.wasm');
  });

  test('colours stand where they mean something, and not with --no-color', async () => {
    await using box = await start();
    expect((await onTerminal(box, 'status')).text).toContain(
      '\x1b[31mwgraft:\x1b[39m no live program found\n',
    );
    const { text, code } = await onTerminal(box, 'status --no-color');
    expect([code, text]).toEqual([6, stripVTControlCharacters(text)]);
  });
});
