// What the command line says of itself, and how it refuses wrong usage.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Sandbox, sandbox } from '../support/cli.ts';

const commands = [
  'prepare',
  'build',
  'diff',
  'inspect',
  'verify',
  'run',
  'register',
  'ps',
  'apply',
  'revert',
  'status',
  'blocking',
  'check',
  'force',
];

let box: Sandbox;
beforeAll(async () => {
  box = await sandbox();
});
afterAll(() => box[Symbol.asyncDispose]());

describe('help', () => {
  test.each(commands)('%s --help shows examples first and exit codes last', async (command) => {
    const { code, stdout, stderr } = await box.wgraft(command, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expect(stdout).toMatchFileSnapshot(`golden/help/${command}.txt`);
  });

  test('wgraft alone prints what it can do', async () => {
    const bare = await box.wgraft();
    expect(await box.wgraft('--help')).toEqual(bare);
    expect(bare).toMatchObject({ code: 0, stderr: '' });
    await expect(bare.stdout).toMatchFileSnapshot('golden/help/wgraft.txt');
  });

  test('--version prints the version', async () => {
    expect(await box.wgraft('--version')).toEqual({ code: 0, signal: null, stdout: '0.1.0\n', stderr: '' });
  });
});

describe('wrong usage', () => {
  const cases: [name: string, args: string[], message: string, command: string][] = [
    ['an unknown command', ['aply'], "unknown command 'aply'; did you mean apply?", ''],
    ['an unknown option', ['ps', '--jsn'], "unknown option '--jsn'; did you mean --json?", 'ps '],
    ['a missing argument', ['apply'], "missing required argument 'patch'", 'apply '],
    ['a missing option', ['verify', 'x.wgp'], "required option '--target <module>' not specified", 'verify '],
    [
      'a time without a unit',
      ['status', '--timeout', '30'],
      "option '--timeout <time>' argument '30' is invalid. It must be a time with a unit, as 30s, 2m or 500ms.",
      'status ',
    ],
    [
      'a wrong choice',
      ['prepare', 'a.wasm', '-o', 'b.wasm', '--slots', 'most'],
      "option '--slots <policy>' argument 'most' is invalid. Allowed choices are all, auto, entry.",
      'prepare ',
    ],
  ];

  test.each(cases)('%s ends with 2 and points to the help', async (_, args, message, command) => {
    const stderr = `wgraft: ${message}\n  hint: see \`wgraft ${command}--help\`\n  code: WGRAFT_ERR_USAGE\n`;
    expect(await box.wgraft(...args)).toEqual({ code: 2, signal: null, stdout: '', stderr });
  });

  test('--no-color counts for it too', async () => {
    const how = { env: { FORCE_COLOR: '1' } };
    expect((await box.wgraftWith(how, 'aply')).stderr).toContain('\u001b[');
    expect((await box.wgraftWith(how, 'aply', '--no-color')).stderr).not.toContain('\u001b[');
  });

  test('with --json it is one document on stdout', async () => {
    const { code, stdout, stderr } = await box.wgraft('status', '--json', '--timeout', 'soon');
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      v: 1,
      error: {
        code: 'WGRAFT_ERR_USAGE',
        message:
          "option '--timeout <time>' argument 'soon' is invalid. It must be a time with a unit, as 30s, 2m or 500ms.",
        hint: 'see `wgraft status --help`',
        details: {
          what: "option '--timeout <time>' argument 'soon' is invalid. It must be a time with a unit, as 30s, 2m or 500ms.",
          command: 'status',
        },
      },
    });
  });
});
